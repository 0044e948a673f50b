"""Key files, and tokens that say of themselves what they like."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from web.keys import PrivateKey, read_key_files


class KeyFile:
    """A key of the tests' own, in a file as BATON_JWT_KEY_FILE names it."""

    def __init__(self, path: Path, key: PrivateKey) -> None:
        self.path = path
        self.key = key
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (read,) = read_key_files([path])
        assert read.kid
        self.algorithm, self.kid = read.algorithm, read.kid

    def public_file(self) -> Path:
        """Write the public key into a file of its own."""
        path = self.path.with_suffix(".pub")
        path.write_bytes(self.public_pem)
        return path

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Sign claims with this key; `header` is added to its usual header, None takes one away."""
        return token({"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **header}, claims, self.key)


def rsa_file(folder: Path, name: str = "rsa", bits: int = 2048) -> KeyFile:
    """Make an RSA key."""
    return KeyFile(folder / f"{name}.pem", rsa.generate_private_key(65537, bits))


def ec_file(folder: Path, name: str = "ec") -> KeyFile:
    """Make a key on the curve P-256."""
    return KeyFile(folder / f"{name}.pem", ec.generate_private_key(ec.SECP256R1()))


def encoded(part: object) -> str:
    """Return a part of a token; what is not bytes is JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(header: dict[str, Any], claims: dict[str, Any], key: PrivateKey | bytes) -> str:
    """Sign in the way of the key, whatever the header says; None takes a claim or a part of the header away."""
    parts = [{name: value for name, value in part.items() if value is not None} for part in (header, claims)]
    body = ".".join(encoded(part) for part in parts)
    if isinstance(key, bytes):
        signature = hmac.digest(key, body.encode(), hashlib.sha256)
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = utils.decode_dss_signature(key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{body}.{encoded(signature)}"


def header_of(text: str) -> dict[str, Any]:
    """Return what a token says of its signature."""
    return jwt.get_unverified_header(text)
