"""The hook for a virus scanner: a command of the administrator's choice, run with the file's path."""

import shlex
import subprocess
from pathlib import Path

import structlog

from web.errors import ApiError

log = structlog.get_logger("baton.files")

_SECONDS = 60


def scan(command: str, path: Path) -> None:
    """Run `command` with `path` as its last argument; no command accepts every file.

    The exit code is that of common scanners: 0 is clean, 1 is infected, everything else failed to look.

    Raises:
        ApiError: 422 Infected, 503 ScanFailed; the file must not be kept.
    """
    if not command:
        return
    try:
        result = subprocess.run(
            [*shlex.split(command), str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("scan_failed", error=type(error).__name__)
        raise _failed() from None
    if result.returncode == 1:
        raise ApiError(422, "Infected", "The file is infected.", "Send another one.")
    if result.returncode != 0:
        log.warning("scan_failed", exit_code=result.returncode)
        raise _failed()


def _failed() -> ApiError:
    return ApiError(
        503, "ScanFailed", "The file could not be checked for viruses.", "Try again.", headers={"Retry-After": "10"}
    )
