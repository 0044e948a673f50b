"""Keys: the two that Supabase's clients are made with, and those that tokens are signed and verified with.

Each key of the second kind is pinned to one algorithm: what a token says of its algorithm only chooses
among the keys of that algorithm, never how a key is used.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

_LIFETIME = 10 * 365 * 24 * 3600  # seconds; a new secret ends them
_SHORTEST_RSA = 2048  # bits
_PEM_LIMIT = 64 * 1024  # bytes

# The members of a public key that its thumbprint is made of (RFC 7638), by its type.
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}

PublicKey = RSAPublicKey | EllipticCurvePublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


def api_key(role: str, secret: str) -> str:
    """Return the key of `role` ("anon" or "service_role"): a long-lived token without a user."""
    now = int(time.time())
    return jwt.encode({"role": role, "iss": "supabase", "iat": now, "exp": now + _LIFETIME}, secret, "HS256")


@dataclass(frozen=True)
class Key:
    """A key and the one algorithm that it is used with."""

    algorithm: str
    verifier: str | PublicKey
    signer: str | PrivateKey | None = None
    kid: str | None = None  # a secret has none: its thumbprint would be something to guess it by

    def suits(self, algorithm: object, kid: object) -> bool:
        """Return whether a token that names this algorithm, and this key or none, may be this key's."""
        return self.algorithm == algorithm and (kid is None or self.kid is None or self.kid == kid)


def secret_key(secret: str) -> Key:
    """Return the key of a shared secret."""
    return Key("HS256", secret, secret)


def read_key_files(paths: Iterable[Path]) -> list[Key]:
    """Return the keys of PEM files: RSA for RS256, EC P-256 for ES256; a public key only verifies.

    Raises:
        ValueError: A file cannot be read or holds another kind of key; one line for a person.
    """
    return [_read_key_file(path) for path in paths]


def published(keys: Iterable[Key]) -> dict[str, list[dict[str, Any]]]:
    """Return the JWK set of the public keys among `keys`: what others need to verify our tokens."""
    return {"keys": [_describe(key) for key in keys if not isinstance(key.verifier, str)]}


def read_key_set(document: object) -> list[Key]:
    """Return the keys of a JWK set that can verify an RS256 or ES256 token; what else is in it is passed over.

    Raises:
        ValueError: It is no JWK set.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no JWK set")  # noqa: TRY004 - what somebody sent, not what we were called with
    return [key for key in map(_read_jwk, document["keys"]) if key is not None]


def _read_key_file(path: Path) -> Key:
    try:
        with path.open("rb") as file:
            text = file.read(_PEM_LIMIT)
    except OSError as error:
        raise ValueError(f"BATON_JWT_KEY_FILE: {path} cannot be read: {error.strerror}") from None
    signer: object = None
    try:
        if b"PRIVATE KEY-----" in text:
            signer = load_pem_private_key(text, password=None)
            verifier: object = signer.public_key()
        else:
            verifier = load_pem_public_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: a passphrase is needed
        raise ValueError(f"BATON_JWT_KEY_FILE: {path} is not an unencrypted key in PEM form") from None
    if not isinstance(verifier, RSAPublicKey | EllipticCurvePublicKey) or (algorithm := _algorithm(verifier)) is None:
        raise ValueError(f"BATON_JWT_KEY_FILE: {path} is neither RSA of at least {_SHORTEST_RSA} bits nor EC P-256")
    assert signer is None or isinstance(signer, RSAPrivateKey | EllipticCurvePrivateKey)
    return Key(algorithm, verifier, signer, _thumbprint(_as_jwk(verifier)))


def _read_jwk(jwk: object) -> Key | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    try:
        verifier = jwt.PyJWK(jwk, {"RSA": "RS256", "EC": "ES256"}[jwk["kty"]]).key
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None
    if not isinstance(verifier, RSAPublicKey | EllipticCurvePublicKey):  # a private key, of all things
        return None
    algorithm = _algorithm(verifier)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    kid = jwk.get("kid")
    return Key(algorithm, verifier, kid=kid if isinstance(kid, str) else _thumbprint(_as_jwk(verifier)))


def _algorithm(key: PublicKey) -> str | None:
    """Return the one algorithm that a key is used with; None for a key that is not used at all."""
    if isinstance(key, RSAPublicKey):
        return "RS256" if key.key_size >= _SHORTEST_RSA else None
    return "ES256" if isinstance(key.curve, SECP256R1) else None


def _as_jwk(key: PublicKey) -> dict[str, Any]:
    if isinstance(key, RSAPublicKey):
        return RSAAlgorithm.to_jwk(key, as_dict=True)
    return ECAlgorithm.to_jwk(key, as_dict=True)


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the key's id by RFC 7638: the hash of what makes it this key."""
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _describe(key: Key) -> dict[str, Any]:
    assert not isinstance(key.verifier, str)
    jwk = _as_jwk(key.verifier)
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    return {**members, "kid": key.kid, "alg": key.algorithm, "use": "sig", "key_ops": ["verify"]}
