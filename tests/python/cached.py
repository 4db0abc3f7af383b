"""A service whose key set is cached for a second."""
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

KEYS = jwt.PyJWKClient(os.environ["JWKS_URL"], lifespan=1)


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            # No second look at the set for an unknown `kid`: only its age counts.
            kid = jwt.get_unverified_header(token)["kid"]
            [key] = [key for key in KEYS.get_signing_keys() if key.key_id == kid]
            jwt.decode(
                token, key.key, algorithms=["ES256"], issuer=os.environ["ISSUER"], audience=os.environ["AUDIENCE"]
            )
            status, body = 200, kid.encode()
        except Exception as error:
            status, body = 401, repr(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
