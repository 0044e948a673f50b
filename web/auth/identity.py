"""Users of the host page: their identity tokens, which the host's backend signs with a secret of its own."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web.db import Conn, invoke
from web.errors import ApiError
from web.tokens import as_json

AUDIENCE = "baton"
_REQUIRED = ["aud", "sub", "iat", "exp", "jti"]

Moment = Annotated[float, Field(ge=0, le=2**36, allow_inf_nan=False)]  # seconds since 1970


class HostUser(BaseModel):
    """What a token says; the database judges it (private.identify_host_user)."""

    model_config = ConfigDict(strict=True, frozen=True)

    sub: str
    jti: str
    iat: Moment
    exp: Moment
    name: str | None = None
    email: str | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """What his account says of him, as far as the host has said it."""
        return {"name": self.name} if self.name else {}


def identify(connection: Conn, host_user: HostUser, visitor_id: UUID | None) -> UUID:
    """Return the id of the host's user here; private.identify_host_user says what it refuses."""
    identity = {
        "p_subject": host_user.sub,
        "p_nonce": host_user.jti,
        "p_issued_at": datetime.fromtimestamp(host_user.iat, UTC),
        "p_expires_at": datetime.fromtimestamp(host_user.exp, UTC),
        "p_name": host_user.name,
        "p_email": host_user.email,
        "p_visitor_id": visitor_id,
    }
    user_id: UUID = invoke(connection, "private", "identify_host_user", **identity)[0]["identify_host_user"]
    return user_id


def read_identity(token: str, secret: str) -> HostUser:
    """Return the host's user that a token names, if its signature is right.

    Raises:
        ApiError: 400 provider_disabled without a secret, identity_token_invalid.
    """
    if not secret:
        message = "Users of the host page cannot be identified: the server has no BATON_IDENTITY_SECRET."
        raise ApiError(400, "provider_disabled", message)
    options: Any = {"require": _REQUIRED, "verify_iat": False}
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], audience=AUDIENCE, options=options)
        as_json(claims)
        return HostUser.model_validate(claims)
    except jwt.ExpiredSignatureError:
        hint = "It has expired: sign a new one."
    except jwt.InvalidSignatureError:
        hint = "It is not signed with BATON_IDENTITY_SECRET."
    except jwt.InvalidAlgorithmError:
        hint = "It must be signed by HS256."
    except jwt.InvalidAudienceError:
        hint = f'Its aud must be "{AUDIENCE}".'
    except jwt.MissingRequiredClaimError as error:
        hint = f"It has no {error.claim}."
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        hint = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
        hint = "It is no JWT that could be stored."
    raise ApiError(400, "identity_token_invalid", "The identity token is not valid.", hint)
