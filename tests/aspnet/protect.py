"""Writes ASP.NET Core data protection payloads after Microsoft's documentation, for the tests of `format/aspnet`.

Not the framework itself. Its first line is the context header of AES-192-CBC + HMACSHA256, which the documentation
prints ("Context headers"): that the two agree is what this script has for itself. Needs `cryptography`.
"""
import base64, hashlib, hmac, struct, uuid
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def derive(key, label, context, length):
    out, i = b"", 0
    while len(out) < length:
        i += 1
        out += hmac.new(key, struct.pack(">I", i) + label + b"\0" + context + struct.pack(">I", length * 8), hashlib.sha512).digest()
    return out[:length]


def cbc(key, iv, plain):
    pad = 16 - len(plain) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()


def header(key_length):
    keys = derive(b"", b"", b"", key_length + 32)
    sizes = b"\0\0" + struct.pack(">IIII", key_length, 16, 32, 32)
    return sizes + cbc(keys[:key_length], bytes(16), b"") + hmac.new(keys[key_length:], b"", hashlib.sha256).digest()


def protect(master, key_id, purposes, plain, modifier, iv):
    label = bytes.fromhex("09f0c9f0") + key_id + struct.pack(">I", len(purposes))
    label += b"".join(bytes([len(purpose)]) + purpose.encode() for purpose in purposes)
    keys = derive(master, label, header(32) + modifier, 64)
    sealed = iv + cbc(keys[:32], iv, plain)
    return label[:20] + modifier + sealed + hmac.new(keys[32:], sealed, hashlib.sha256).digest()


print(header(24).hex())
print(header(32).hex())
key_id = uuid.UUID("80732141-ec8f-4b80-af9c-c4d2d1ff8901").bytes_le
for plain, modifier, iv in [
    (b"7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f", bytes(range(100, 116)), bytes(range(200, 216))),
    (b"../other", bytes(16), bytes(16)),
]:
    payload = protect(bytes(range(64)), key_id, ["shop", "SessionMiddleware"], plain, modifier, iv)
    print(base64.b64encode(payload).rstrip(b"=").decode())
