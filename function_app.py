"""Composes the function app. Every trigger lives in functions/."""

import azure.functions as func

from functions import (
    directory_http,
    interact_http,
    interact_timer,
    me_http,
    outbound_http,
    outbound_queue,
    outbound_timer,
    permissions_http,
    poison_http,
    poison_queue,
    presence_http,
    presence_queue,
    presence_timer,
    scheduler_entries_http,
    settings_http,
    system_http,
    system_timer,
    tasks_http,
    tenants_http,
    tenants_queue,
    tenants_timer,
    triggers_http,
    unknown_http,
    webhooks_queue,
)

app = func.FunctionApp()
for room in (
    directory_http,
    interact_http,
    interact_timer,
    me_http,
    outbound_http,
    outbound_queue,
    outbound_timer,
    poison_http,
    poison_queue,
    permissions_http,
    presence_http,
    presence_queue,
    presence_timer,
    scheduler_entries_http,
    settings_http,
    system_http,
    tasks_http,
    system_timer,
    tenants_http,
    tenants_queue,
    tenants_timer,
    triggers_http,
    unknown_http,
    webhooks_queue,
):
    app.register_functions(room.bp)
