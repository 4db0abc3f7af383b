"""Python with PyJWT: pip install 'PyJWT[crypto]'. JWKS_URL, ISSUER and AUDIENCE as in gateway.toml; PORT to try it with `cloakroom attest`.

In FastAPI it is a dependency:

    def user(authorization: Annotated[str | None, Header()] = None) -> dict:
        try:
            return user_of(authorization)
        except Refused:
            raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
"""
import os

import jwt

ISSUER = os.environ.get("ISSUER", "https://gateway.internal")
AUDIENCE = os.environ["AUDIENCE"]
# Fetched again when it is five minutes old, and for an unknown `kid`.
KEYS = jwt.PyJWKClient(os.environ["JWKS_URL"], lifespan=300)
REQUIRED = ["iss", "aud", "exp", "sub"]


class Refused(Exception):
    """Answer 401."""


def user_of(authorization: str | None) -> dict:
    """The claims of whoever asks."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or len(token) > 8192:
        raise Refused
    try:
        header = jwt.get_unverified_header(token)
        # PyJWT looks at neither: tokens of other kinds are signed by the same keys.
        if header.get("typ") != "at+jwt" or "crit" in header:
            raise Refused
        key = KEYS.get_signing_key_from_jwt(token).key
        claims = jwt.decode(
            token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, leeway=5, options={"require": REQUIRED}
        )
    except Exception as error:  # What cannot be read may fail in any way, RecursionError too.
        raise Refused from error
    # PyJWT takes "1700000000" for a time.
    if any(type(claims.get(name, 0)) not in (int, float) for name in ("exp", "nbf", "iat")):
        raise Refused
    return claims


if __name__ == "__main__":
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Service(BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                status, body = 200, user_of(self.headers.get("Authorization"))["sub"].encode()
            except Refused:
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
