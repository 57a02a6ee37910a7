"""Composes the function app. Every trigger lives in functions/."""

import azure.functions as func

from functions import (
    assistant_http,
    directory_http,
    interact_http,
    interact_timer,
    interact_widget_http,
    me_http,
    outbound_http,
    outbound_queue,
    outbound_timer,
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
    unknown_http,
    widget_pages_http,
)

app = func.FunctionApp()
for room in (
    assistant_http,
    directory_http,
    interact_http,
    interact_timer,
    interact_widget_http,
    me_http,
    outbound_http,
    outbound_queue,
    outbound_timer,
    poison_http,
    poison_queue,
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
    unknown_http,
    widget_pages_http,
):
    app.register_functions(room.bp)
