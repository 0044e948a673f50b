"""Who is calling: access tokens are checked here, and the embedded login's are signed here."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
import orjson
from flask import Flask, current_app, g, request

from web.config import Config
from web.errors import ApiError, not_signed_in
from web.keys import Key, published, read_key_files, secret_key
from web.project_keys import ProjectKeys

ROLES = frozenset({"anon", "authenticated", "service_role"})
AUDIENCE = "authenticated"

# A token that brings its own key, or says where to fetch one.
_FOREIGN_KEYS = frozenset({"jwk", "jku", "x5u", "x5c"})


@dataclass(frozen=True)
class Caller:
    """The caller of one request: the role he runs as, and the claims of his token."""

    role: str
    claims: str  # the token's payload as JSON text, as Postgres is told it
    id: UUID | None = None  # None for the service and for nobody
    session_id: UUID | None = None  # the login that the token belongs to, where it names one
    expires_at: float = math.inf  # seconds since 1970


NOBODY = Caller("anon", '{"role": "anon"}')  # for what is everybody's, whoever asks
SERVICE = Caller("service_role", '{"role": "service_role"}')


class Tokens:
    """Signs and checks tokens by the shared secret, by keys of our own, and by those of a Supabase project."""

    def __init__(
        self, secret: str, previous_secret: str = "", keys: Sequence[Key] = (), project: ProjectKeys | None = None
    ) -> None:
        """Keep the keys; without any nothing is signed and nothing accepted."""
        secrets = [secret_key(each) for each in (secret, previous_secret) if each]
        self._keys = [*keys, *secrets]
        signers = [key for key in keys if key.signer] + secrets[: bool(secret)]
        self._signing_key = signers[0] if signers else None
        self._project = project
        # Clients repeat theirs. What is refused is not kept, nor what a key that is gone has signed.
        self._read_again = lru_cache(maxsize=8192)(self._read)

    def sign(self, claims: dict[str, Any]) -> str:
        """Return `claims` as a signed token."""
        key = self._signing_key
        if key is None or key.signer is None:
            raise RuntimeError("SUPABASE_JWT_SECRET is not set")
        return jwt.encode(claims, key.signer, key.algorithm, headers={"kid": key.kid} if key.kid else None)

    def check(self, token: str) -> Caller:
        """Return whom the token speaks for.

        Raises:
            ApiError: 401 token_expired, or token_invalid for anything else that is wrong with it; 503
                keys_unavailable, when it may be good and the Supabase project does not say so.
        """
        if not self._keys and self._project is None:
            raise RuntimeError("SUPABASE_JWT_SECRET is not set")
        if self._project is not None:
            self._project.freshen()
        try:
            caller = self._read_again(token, self._project.generation if self._project else 0)
        except jwt.ExpiredSignatureError:
            raise token_expired() from None
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
            raise _token_invalid("The access token is not valid.") from None
        if caller.expires_at <= time.time():
            raise token_expired()
        return caller

    def published_keys(self) -> dict[str, list[dict[str, Any]]]:
        """Return the JWK set by which others can check our tokens: no secret is in it.

        Raises:
            ApiError: 503 keys_unavailable.
        """
        return published([*self._keys, *(self._project.all() if self._project else ())])

    def _read(self, token: str, generation: int) -> Caller:
        header = jwt.get_unverified_header(token)
        if not _FOREIGN_KEYS.isdisjoint(header):
            raise jwt.InvalidTokenError("a key of its own")
        for key in self._candidates(header.get("alg"), header.get("kid")):
            try:
                claims = jwt.decode(
                    token,
                    key.verifier,
                    algorithms=[key.algorithm],
                    options={"require": ["exp"], "verify_aud": False, "verify_iat": False},
                )
            except jwt.InvalidSignatureError:
                continue
            return _caller(claims)
        raise jwt.InvalidSignatureError("signed by none of the keys")

    def _candidates(self, algorithm: object, kid: object) -> list[Key]:
        """Return the keys that the token's header leaves to try."""
        keys = [key for key in self._keys if key.suits(algorithm, kid)]
        if self._project is not None and algorithm in ("RS256", "ES256") and (kid is None or not keys):
            keys += self._project.find(algorithm, kid)
        return keys


def init_app(app: Flask, config: Config) -> None:
    """Make the app's `Tokens`. Raises ValueError for a key file that cannot be used."""
    app.extensions["baton_tokens"] = Tokens(
        config.jwt_secret,
        config.jwt_secret_previous,
        read_key_files(config.jwt_key_files),
        ProjectKeys(config.supabase_url) if config.supabase_url else None,
    )


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
        g.caller = current_tokens().check(current_token())
        g.role = g.caller.role
    caller: Caller = g.caller
    return caller


def use_token(token: str) -> Caller:
    """Let this request speak for whom the token names, which came along otherwise than in a header.

    Raises:
        ApiError: As `Tokens.check`.
    """
    g.caller, g.token = current_tokens().check(token), token
    g.role = g.caller.role
    return g.caller  # type: ignore[no-any-return]


def current_token() -> str:
    """Return the token that this request was sent with; refuses not_signed_in, token_invalid."""
    if "token" in g:
        return str(g.token)
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


def as_json(claims: dict[str, Any]) -> str:
    """Return claims as JSON text that Postgres can store. Raises jwt.InvalidTokenError or TypeError."""
    text = orjson.dumps(claims).decode()  # refuses lone surrogates; Postgres refuses null bytes
    if "\\u0000" in text:
        raise jwt.InvalidTokenError("null byte")
    return text


def _caller(claims: dict[str, Any]) -> Caller:
    """Check what a good signature does not say: role, audience, and the form of the ids."""
    role = claims.get("role")
    if role not in ROLES:
        raise jwt.InvalidTokenError("unknown role")
    text = as_json(claims)
    expires_at = float(int(claims["exp"]))
    if role != AUDIENCE:
        return Caller(role, text, expires_at=expires_at)
    audience = claims.get("aud")
    if audience != AUDIENCE and not (isinstance(audience, list) and AUDIENCE in audience):
        raise jwt.InvalidAudienceError("wrong audience")
    session_id = claims.get("session_id")
    return Caller(role, text, UUID(str(claims.get("sub"))), UUID(str(session_id)) if session_id else None, expires_at)
