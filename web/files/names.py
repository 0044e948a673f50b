"""What a file may be called: what Supabase Storage takes, so that every name works in both."""

import re

from web.errors import ApiError

LONGEST = 1024  # bytes
_NAME = re.compile(r"[A-Za-z0-9_!\-.*'()&$@=;:+, /]+")


def check_name(name: str) -> None:
    """Refuse a name that no file can have: other characters than those, empty folders, `.` and `..`.

    Raises:
        ApiError: 400 InvalidKey.
    """
    parts = name.split("/")
    if len(name) > LONGEST or not _NAME.fullmatch(name) or any(part.strip(" ") in ("", ".", "..") for part in parts):
        hint = f"At most {LONGEST} ASCII letters, digits and _!-.*'()&$@=;:+, in folders; metadata.name is free."
        raise ApiError(400, "InvalidKey", f"Invalid key: {name[:100]}", hint)
