"""Says of every request how Gunicorn (WSGI) or Uvicorn (ASGI) reads it.

The fields are those of tests/it/cases/readers/account.rs.
"""


def account(method, target, path, host, length, authorization, names):
    fields = ["read", method, target, path, host, str(length), authorization, ",".join(names)]
    return f"{method} {target}\n{'|'.join(fields)}\n".encode("latin-1")


def wsgi(environ, start_response):
    length = len(environ["wsgi.input"].read())
    names = [name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")]
    body = account(
        environ["REQUEST_METHOD"],
        environ["RAW_URI"],
        environ["PATH_INFO"],
        environ.get("HTTP_HOST", ""),
        length,
        environ.get("HTTP_AUTHORIZATION", ""),
        names,
    )
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    first = dict(reversed(fields))
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    body = account(
        scope["method"],
        target,
        scope["path"],
        first.get("host", ""),
        length,
        first.get("authorization", ""),
        [name for name, _ in fields],
    )
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
