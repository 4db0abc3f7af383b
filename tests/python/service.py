"""A service that knows nothing of sessions: it takes a token, checks it by the published keys, and says whose it is."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

# A transaction token has a header and a type of its own, and no `jti`.
TXN = os.environ.get("PROFILE") == "txn"
REQUIRED = ["txn", "scope", "req_wl"] if TXN else ["iss", "jti"]
KEYS = jwt.PyJWKClient(os.environ["JWKS_URL"])


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            token = self.headers.get("Txn-Token", "") if TXN else bearer
            claims = jwt.decode(
                token,
                KEYS.get_signing_key_from_jwt(token).key,
                algorithms=[os.environ["ALGORITHM"]],
                issuer=os.environ["ISSUER"],
                audience=os.environ["AUDIENCE"],
                leeway=0,
                options={"require": ["exp", "iat", "aud", "sub", *REQUIRED]},
            )
            if jwt.get_unverified_header(token).get("typ") != ("txntoken+jwt" if TXN else "at+jwt"):
                raise jwt.InvalidTokenError("typ")
        except jwt.PyJWTError as error:
            self.answer(401, {"error": type(error).__name__})
            return
        self.answer(200, {"sub": claims["sub"], "claims": claims, "cookie": self.headers.get("Cookie")})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(f"listening {server.server_address[1]}", flush=True)
server.serve_forever()
