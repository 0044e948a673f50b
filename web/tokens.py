"""Who is calling: access tokens are checked here, and the embedded login's are signed here."""

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
import orjson
from flask import Flask, current_app, g, request

from web.config import Config
from web.errors import ApiError, not_signed_in

ROLES = frozenset({"anon", "authenticated", "service_role"})
AUDIENCE = "authenticated"


@dataclass(frozen=True)
class Caller:
    """The caller of one request: the role he runs as, and the claims of his token."""

    role: str
    claims: str  # the token's payload as JSON text, as Postgres is told it
    id: UUID | None = None  # None for the service and for nobody
    session_id: UUID | None = None  # the login that the token belongs to, where it names one
    expires_at: float = math.inf  # seconds since 1970


SERVICE = Caller("service_role", '{"role": "service_role"}')


class Tokens:
    """Signs and checks tokens by the shared secret."""

    def __init__(self, secret: str) -> None:
        """Keep the secret; without one nothing is signed and nothing accepted."""
        self._secret = secret
        self._read_again = lru_cache(maxsize=8192)(self._read)  # clients repeat theirs; what is refused is not kept

    def sign(self, claims: dict[str, Any]) -> str:
        """Return `claims` as a signed token."""
        return jwt.encode(claims, self._key(None), algorithm="HS256")

    def check(self, token: str) -> Caller:
        """Return whom the token speaks for.

        Raises:
            ApiError: 401 token_expired, or token_invalid for anything else that is wrong with it.
        """
        try:
            caller = self._read_again(token)
        except jwt.ExpiredSignatureError:
            raise token_expired() from None
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
            raise _token_invalid("The access token is not valid.") from None
        if caller.expires_at <= time.time():
            raise token_expired()
        return caller

    def _read(self, token: str) -> Caller:
        algorithm = jwt.get_unverified_header(token).get("alg")
        claims = jwt.decode(
            token,
            self._key(algorithm),
            algorithms=["HS256"],
            options={"require": ["exp"], "verify_aud": False, "verify_iat": False},
        )
        return _caller(claims)

    def _key(self, algorithm: object) -> str:
        # The place where RS256 and ES256 get their key from the JWKS, with a pinned list of their own.
        if not self._secret:
            raise RuntimeError("SUPABASE_JWT_SECRET is not set")
        return self._secret


def init_app(app: Flask, config: Config) -> None:
    """Make the app's `Tokens`."""
    app.extensions["baton_tokens"] = Tokens(config.jwt_secret)


def current_tokens() -> Tokens:
    """Return the `Tokens` of the current app."""
    tokens: Tokens = current_app.extensions["baton_tokens"]
    return tokens


def current_caller() -> Caller:
    """Return the caller of this request, by `Authorization: Bearer`, in its absence by `apikey`.

    Raises:
        ApiError: 401 not_signed_in without either, token_invalid, token_expired.
    """
    if "caller" not in g:
        g.caller = current_tokens().check(_token())
        g.role = g.caller.role
    caller: Caller = g.caller
    return caller


def _token() -> str:
    authorization = request.headers.get("Authorization")
    if authorization is None:
        token = request.headers.get("apikey", "")
    else:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _token_invalid("The Authorization header is not a bearer token.")
    if not token.strip():
        raise not_signed_in()
    return token.strip()


def token_expired() -> ApiError:
    """Return the refusal of a token whose time is over."""
    return ApiError(401, "token_expired", "The access token has expired.", "Refresh it.")


def _token_invalid(message: str) -> ApiError:
    return ApiError(401, "token_invalid", message, "Sign in again.")


def _caller(claims: dict[str, Any]) -> Caller:
    """Check what a good signature does not say: role, audience, and the form of the ids."""
    role = claims.get("role")
    if role not in ROLES:
        raise jwt.InvalidTokenError("unknown role")
    text = orjson.dumps(claims).decode()  # refuses lone surrogates; Postgres refuses null bytes
    if "\\u0000" in text:
        raise jwt.InvalidTokenError("null byte")
    expires_at = float(int(claims["exp"]))
    if role != AUDIENCE:
        return Caller(role, text, expires_at=expires_at)
    audience = claims.get("aud")
    if audience != AUDIENCE and not (isinstance(audience, list) and AUDIENCE in audience):
        raise jwt.InvalidAudienceError("wrong audience")
    session_id = claims.get("session_id")
    return Caller(role, text, UUID(str(claims.get("sub"))), UUID(str(session_id)) if session_id else None, expires_at)
