"""The ids in addresses."""

import re
from uuid import UUID

from werkzeug.exceptions import BadRequest
from werkzeug.routing import BaseConverter

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class UuidConverter(BaseConverter):
    """Like Werkzeug's `uuid`, but an id of the wrong form is a clear 400 instead of an unknown address."""

    def to_python(self, value: str) -> UUID:
        """Return the id; refuse anything else (Werkzeug wants its own kind of exception here)."""
        if not _UUID.fullmatch(value):
            raise BadRequest("The id in the address is not a UUID.")
        return UUID(value)

    def to_url(self, value: UUID) -> str:
        """Return the id as it stands in an address."""
        return str(value)
