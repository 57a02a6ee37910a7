"""What any Python function app pays: one HTTP function that answers 200."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("api/health/live", methods=["GET"])
def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the binding's name
    return func.HttpResponse('{"status":"live"}', mimetype="application/json")
