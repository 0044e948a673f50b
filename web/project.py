"""A Supabase project through the package `supabase`: a client for each piece of work, which speaks for one caller.

The package keeps sessions in its clients and changes their headers as people sign in, so none is used twice.
It is imported where there is a project only: with the embedded keepers it costs neither time nor memory.
"""

import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from http import HTTPStatus
from json import JSONDecodeError
from typing import TYPE_CHECKING

import httpx
import structlog
from pydantic import ValidationError

from web.config import Config
from web.errors import STORAGE_CODES, ApiError
from web.tokens import AUDIENCE, SERVICE, Caller, current_token, token_expired

if TYPE_CHECKING:
    from storage3.exceptions import StorageApiError
    from supabase import Client
    from supabase_auth.errors import AuthError

log = structlog.get_logger("baton.project")

# All in seconds.
CONNECT = 3
PATIENCE = 10  # for an answer
LONG_PATIENCE = 90  # where files travel, which the project may have scanned
PAUSE = 5  # after which to try again

# What the login says of a key.
_KEY_CODES = ("bad_jwt", "no_authorization", "not_admin", "invalid_jwt")


class Project:
    """Makes clients of the project, as nobody in particular, as the caller of the request, or as the service.

    Within their context what the project refuses is an `ApiError` with its code. When the project does not
    answer, or with nothing that can be understood, it is 503 project_unavailable; when it does not know the keys
    of this server, 503 project_key_refused.
    """

    def __init__(self, config: Config) -> None:
        """Remember the address and the two keys, and import the package; nothing is asked."""
        import supabase  # noqa: F401 - takes half a second, which no request is to wait for

        _certificates()
        self._url = config.supabase_url
        self._anon_key = config.supabase_anon_key
        self._service_key = config.supabase_service_role_key

    def as_nobody(self) -> "AbstractContextManager[Client]":
        """Give a client that has no more than the anon key: for those who are about to sign in."""
        return self._client(self._anon_key)

    def as_caller(self, caller: Caller, seconds: float = PATIENCE) -> "AbstractContextManager[Client]":
        """Give a client that speaks for `caller`, who has sent the current request, by his own token."""
        if caller.role == SERVICE.role:  # his key is good here; the project has its own
            return self.as_service(seconds)
        token = current_token() if caller.role == AUDIENCE else self._anon_key
        return self._client(self._anon_key, token, seconds)

    def as_service(self, seconds: float = PATIENCE) -> "AbstractContextManager[Client]":
        """Give a client that may do everything."""
        return self._client(self._service_key, seconds=seconds)

    @contextmanager
    def _client(self, key: str, token: str = "", seconds: float = PATIENCE) -> "Iterator[Client]":
        from supabase import ClientOptions, create_client

        is_ours = not token  # what the project refuses can only be the key
        timeout = httpx.Timeout(seconds, connect=CONNECT)
        with _in_our_words(is_ours), httpx.Client(timeout=timeout, verify=_certificates()) as http:
            options = ClientOptions(
                headers={"Authorization": f"Bearer {token or key}"},
                auto_refresh_token=False,
                persist_session=False,
                httpx_client=http,
            )
            yield create_client(self._url, key, options)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the authorities to trust; reading them takes longer than most calls."""
    return httpx.create_ssl_context()


@contextmanager
def _in_our_words(is_ours: bool) -> Iterator[None]:
    from storage3.exceptions import StorageApiError
    from supabase_auth.errors import AuthError

    try:
        yield
    except AuthError as error:
        raise _login_refusal(error, is_ours) from None
    except StorageApiError as error:
        raise _storage_refusal(error, is_ours) from None
    except (httpx.HTTPError, ValidationError, JSONDecodeError, KeyError) as error:
        raise _unavailable(error) from None


def _login_refusal(error: "AuthError", is_ours: bool) -> ApiError:
    """Return what the project's login has refused, as it has said it."""
    from supabase_auth.errors import AuthApiError, AuthSessionMissingError, AuthWeakPasswordError

    if isinstance(error, AuthSessionMissingError):  # the package counts a token that is about to end as gone
        return token_expired()
    if isinstance(error, AuthWeakPasswordError):
        body: dict[str, object] = {"weak_password": {"reasons": error.reasons}}
        return ApiError(error.status, "weak_password", error.message, body=body)
    if not isinstance(error, AuthApiError):
        return _unavailable(error)
    if error.code is None and error.status == HTTPStatus.UNAUTHORIZED:  # the gateway in front has no codes
        return _key_refused()
    if is_ours and error.code in _KEY_CODES:
        return _key_refused()
    return ApiError(error.status, error.code or "unexpected_failure", error.message, headers=_pause(error))


def _storage_refusal(error: "StorageApiError", is_ours: bool) -> ApiError:
    """Return what the project's storage has refused. The package drops the code, its answer has it."""
    response = _response(error)
    if response is None or not str(error.status).isdigit():  # no form of the storage's, or nothing of it
        return _key_refused() if error.status == HTTPStatus.UNAUTHORIZED else _unavailable(error)
    status, said = int(error.status), response.json()
    if is_ours and status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _key_refused()
    code = str(said.get("code") or STORAGE_CODES.get(error.code, error.code))
    return ApiError(status, code, error.message, said.get("hint"), headers=_pause(error))


def _response(error: Exception) -> httpx.Response | None:
    return error.__cause__.response if isinstance(error.__cause__, httpx.HTTPStatusError) else None


def _pause(error: Exception) -> dict[str, str]:
    response = _response(error)
    seconds = response.headers.get("Retry-After") if response is not None else None
    return {"Retry-After": seconds} if seconds else {}


def _unavailable(error: Exception) -> ApiError:
    log.warning("project_unavailable", error=type(error).__name__, cause=type(error.__cause__).__name__)
    message = "The Supabase project, which keeps accounts and files, does not answer."
    return ApiError(503, "project_unavailable", message, "Try again.", headers={"Retry-After": str(PAUSE)})


def _key_refused() -> ApiError:
    log.error("project_key_refused")
    message = "The Supabase project does not know the keys of this server."
    hint = "Whoever runs it has to look at SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY."
    return ApiError(503, "project_key_refused", message, hint)
