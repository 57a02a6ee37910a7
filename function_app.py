"""Composes the function app. Every trigger lives in functions/."""

import azure.functions as func

from functions import (
    directory_http,
    interact_http,
    interact_timer,
    outbound_http,
    outbound_queue,
    poison_http,
    poison_queue,
    presence_http,
    presence_queue,
    presence_timer,
    settings_http,
    system_http,
    system_timer,
    tenants_http,
    tenants_queue,
    tenants_timer,
    unknown_http,
)

app = func.FunctionApp()
for room in (
    directory_http,
    interact_http,
    interact_timer,
    outbound_http,
    outbound_queue,
    poison_http,
    poison_queue,
    presence_http,
    presence_queue,
    presence_timer,
    settings_http,
    system_http,
    system_timer,
    tenants_http,
    tenants_queue,
    tenants_timer,
    unknown_http,
):
    app.register_functions(room.bp)
