"""Composes the function app. Every trigger lives in functions/."""

import azure.functions as func

from functions import (
    address_books_http,
    attendant_http,
    connector_contacts_http,
    directory_http,
    interact_http,
    interact_timer,
    outbound_http,
    outbound_queue,
    presence_http,
    presence_queue,
    presence_timer,
    settings_http,
    system_http,
    tenants_http,
    tenants_queue,
)

app = func.FunctionApp()
for room in (
    address_books_http,
    attendant_http,
    connector_contacts_http,
    directory_http,
    interact_http,
    interact_timer,
    outbound_http,
    outbound_queue,
    presence_http,
    presence_queue,
    presence_timer,
    settings_http,
    system_http,
    tenants_http,
    tenants_queue,
):
    app.register_functions(room.bp)
