"""A service that verifies with authlib."""
import json
import os
import urllib.request
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

warnings.simplefilter("ignore")
from authlib.jose import JsonWebKey, JsonWebToken  # noqa: E402

TOKENS = JsonWebToken(["ES256"])
with urllib.request.urlopen(os.environ["JWKS_URL"]) as answer:
    KEYS = JsonWebKey.import_key_set(json.load(answer))
RULES = {
    "iss": {"essential": True, "value": os.environ.get("ISSUER", "https://gateway.internal")},
    "aud": {"essential": True, "value": os.environ["AUDIENCE"]},
    "exp": {"essential": True},
    "sub": {"essential": True},
}


def user_of(authorization):
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or len(token) > 8192:
        raise ValueError("no token")
    claims = TOKENS.decode(token, KEYS, claims_options=RULES)
    if claims.header.get("typ") != "at+jwt" or "crit" in claims.header:
        raise ValueError("another kind of token")
    if any(type(claims.get(name, 0)) not in (int, float) for name in ("exp", "nbf", "iat")):
        raise ValueError("no time")
    claims.validate(leeway=5)
    return claims


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, body = 200, user_of(self.headers.get("Authorization"))["sub"].encode()
        except Exception:
            status, body = 401, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Service)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
