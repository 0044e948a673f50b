"""Signed links to files: whoever has one reads the file as if he were the one who signed it, until it ends."""

import time
from typing import Any
from uuid import UUID

import jwt
import orjson

from web.config import Config
from web.errors import ApiError
from web.tokens import AUDIENCE, SERVICE, Caller

LONGEST = 7 * 24 * 3600  # seconds
_AUDIENCE = "baton:file"  # so that no access token is a link, and no link an access token


class Links:
    """Signs and reads links with the shared secret; one that was signed with the previous secret stays good."""

    def __init__(self, config: Config) -> None:
        self._secret = config.jwt_secret
        self._secrets = [secret for secret in (config.jwt_secret, config.jwt_secret_previous) if secret]

    def sign(self, caller: Caller, bucket_id: str, name: str, seconds: int) -> str:
        """Return the token of a link that is good for `seconds`."""
        if not self._secret:
            raise RuntimeError("SUPABASE_JWT_SECRET is not set")
        now = int(time.time())
        claims = {"aud": _AUDIENCE, "url": f"{bucket_id}/{name}", "iat": now, "exp": now + seconds}
        if caller.id is not None:
            claims["sub"] = str(caller.id)
        return jwt.encode(claims, self._secret, "HS256")

    def read(self, token: str, bucket_id: str, name: str) -> Caller:
        """Return as whom the link reads its file: access that he loses, it loses too.

        Raises:
            ApiError: 400 InvalidSignature: forged, for another file, or over.
        """
        claims = self._claims(token)
        if claims["url"] != f"{bucket_id}/{name}":
            raise _invalid("The link is for another file")
        if "sub" not in claims:
            return SERVICE
        person = {"role": AUDIENCE, "aud": AUDIENCE, "sub": claims["sub"]}
        return Caller(AUDIENCE, orjson.dumps(person).decode(), UUID(claims["sub"]))

    def _claims(self, token: str) -> dict[str, Any]:
        for secret in self._secrets:
            try:
                return jwt.decode(
                    token, secret, ["HS256"], audience=_AUDIENCE, options={"require": ["exp", "url", "aud"]}
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise _invalid("The link has expired") from None
            except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
                break
        raise _invalid("The link is not valid")


def _invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidSignature", message, "Ask for a new one.")
