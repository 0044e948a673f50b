"""Password hashes: argon2id, in a thread of its own, the same time for a wrong email as for a wrong password."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from gevent import monkey
from gevent.threadpool import ThreadPool

T = TypeVar("T")

SHORTEST = 8  # characters
LONGEST = 1024  # bytes; hashing a megabyte would be a way to keep the server busy

# OWASP's parameters for argon2id: 19 MiB and one thread, so that a burst of sign-ins fits a small machine.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its parameters and salt."""
    return _aside(lambda: _hasher.hash(password))


def is_right(password: str, encrypted: str | None) -> bool:
    """Return whether the password has this hash; without one (an unknown email) it takes as long and is false."""
    if len(password.encode()) > LONGEST:
        return False

    def verify() -> bool:
        try:
            return _hasher.verify(encrypted or _nobody(), password) and encrypted is not None
        except (VerificationError, InvalidHashError):
            return False

    return _aside(verify)


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")


@cache
def _threads() -> ThreadPool:
    return ThreadPool(2)


def _aside(work: Callable[[], T]) -> T:
    """Hash outside the event loop: 20 ms of computing would hold up every other request and socket."""
    if monkey.is_module_patched("socket") and gevent.get_hub().loop is not None:
        result: T = _threads().apply(work)
        return result
    return work()
