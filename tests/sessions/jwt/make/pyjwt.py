"""Writes ../pyjwt-*.json: tokens made by PyJWT, each with what PyJWT itself says of it.

pip install 'PyJWT[crypto]==2.15.1' && python pyjwt.py
"""

import base64
import hashlib
import hmac
import json
import platform
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

NOW = int(time.time())
CLAIMS = {"sub": "42", "email": "alice@example.com", "roles": ["admin"], "iat": NOW, "exp": NOW + 900, "jti": "a1", "fresh": False}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header, claims, key, digest=hashlib.sha256):
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{text}.{b64(hmac.new(key, text.encode(), digest).digest())}"


class File:
    def __init__(self, name, key, algorithms, profile, **options):
        self.name, self.key, self.algorithms, self.profile, self.options = name, key, algorithms, profile, options
        self.vectors = []

    def add(self, kind, id, token, expect=None):
        try:
            user = jwt.decode(token, self.key, algorithms=self.algorithms, **self.options).get("sub")
            said = {"accepted": True, "user": user}
        except Exception as error:
            said = {"accepted": False, "error": type(error).__name__}
        assert kind == "negative" or said["accepted"], (self.name, id, said)
        cookie = f"{self.profile['cookie']}={self.profile.get('cookie_prefix', '')}{token}"
        vector = {"id": id, "kind": kind, "cookie_header": cookie, "redis": "none"}
        self.vectors.append({**vector, "expect": expect or {"user_id": None}, "app_said": said})

    def good(self, id, token, claims=CLAIMS):
        self.add("positive", id, token, {"user_id": claims["sub"], "data": claims})

    def write(self):
        file = {
            "name": self.name,
            "framework": "jwt",
            "source": "made by the library itself",
            "versions": {"python": platform.python_version(), "PyJWT": jwt.__version__},
            "captured_at_ms": NOW * 1000,
            "profile": {"framework": "jwt", **self.profile, "db": 0, "subject": None},
            "states": {"none": []},
            "vectors": self.vectors,
        }
        Path(__file__).with_name("..").joinpath(f"{self.name}.json").write_text(json.dumps(file, indent=1) + "\n")


def secret():
    text = "flask-jwt-extended's own secret, long enough for all: 0123456789"
    file = File("pyjwt-secret", text, ["HS256", "HS384"], {"cookie": "access_token_cookie", "secrets": [text], "algorithms": ["HS256", "HS384"]})
    file.good("HS256", jwt.encode(CLAIMS, text))
    file.good("HS384", jwt.encode(CLAIMS, text, algorithm="HS384"))
    file.good("a key id", jwt.encode(CLAIMS, text, headers={"kid": "../../dev/null"}))
    file.add("negative", "HS512, which the app does not list", jwt.encode(CLAIMS, text, algorithm="HS512"))
    file.add("negative", "alg none", jwt.encode(CLAIMS, None, algorithm="none"))
    file.add("negative", "wrong secret", jwt.encode(CLAIMS, text + "!"))
    file.add("negative", "expired", jwt.encode({**CLAIMS, "exp": NOW - 1}, text))
    file.add("negative", "nbf ahead", jwt.encode({**CLAIMS, "nbf": NOW + 60}, text))
    file.add("negative", "iat ahead", jwt.encode({**CLAIMS, "iat": NOW + 60}, text))
    file.add("negative", "aud that the app does not name", jwt.encode({**CLAIMS, "aud": "shop"}, text))
    file.add("negative", "crit", jwt.encode(CLAIMS, text, headers={"crit": ["exp2"], "exp2": 1}))
    file.add("negative", "truncated", jwt.encode(CLAIMS, text)[:-8])
    file.add("negative", "a number as text", forged({"alg": "HS256"}, {**CLAIMS, "exp": "never"}, text.encode()))
    file.write()


def prefixed():
    text = "a FastAPI app that keeps the whole Authorization value in its cookie"
    profile = {"cookie": "access_token", "cookie_prefix": "Bearer ", "secrets": [text], "missing_exp": "never-expires"}
    file = File("pyjwt-bearer-in-cookie", text, ["HS256"], profile)
    endless = {"sub": "alice@example.com"}
    file.good("HS256", jwt.encode(CLAIMS, text))
    file.good("without end", jwt.encode(endless, text), endless)
    file.add("negative", "expired", jwt.encode({**endless, "exp": NOW - 1}, text))
    good = file.vectors[0]
    for id, header in [
        ("in quotes", f'access_token="Bearer {jwt.encode(CLAIMS, text)}"'),
        ("escaped", f"access_token=Bearer%20{jwt.encode(CLAIMS, text)}"),
    ]:
        file.vectors.append({**good, "id": id, "cookie_header": header})
    bare = f"access_token={jwt.encode(CLAIMS, text)}"
    file.vectors.append({**good, "id": "without prefix", "kind": "negative", "cookie_header": bare, "expect": {"user_id": None}})
    file.write()


def pair(name, private, algorithms):
    spki = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = spki.decode()
    file = File(f"pyjwt-{name}", text, algorithms, {"cookie": "access_token_cookie", "secrets": [text]})
    for algorithm in algorithms:
        file.good(algorithm, jwt.encode(CLAIMS, private, algorithm=algorithm))
    file.add("negative", "HS256 with the public key as secret", forged({"alg": "HS256", "typ": "JWT"}, CLAIMS, spki))
    file.add("negative", "expired", jwt.encode({**CLAIMS, "exp": NOW - 60}, private, algorithm=algorithms[0]))
    file.add("negative", "alg none", jwt.encode(CLAIMS, None, algorithm="none"))
    file.write()


secret()
prefixed()
pair("rsa", rsa.generate_private_key(public_exponent=65537, key_size=3072), ["RS256", "PS512"])
pair("p256", ec.generate_private_key(ec.SECP256R1()), ["ES256"])
pair("p384", ec.generate_private_key(ec.SECP384R1()), ["ES384"])
pair("ed25519", ed25519.Ed25519PrivateKey.generate(), ["EdDSA"])
