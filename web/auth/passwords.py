"""Password hashes: argon2id, in a thread of its own, the same time for a wrong email as for a wrong password."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from web.aside import aside

SHORTEST = 8  # characters
LONGEST = 1024  # bytes; hashing a megabyte would be a way to keep the server busy

# OWASP's parameters for argon2id: 19 MiB and one thread, so that a burst of sign-ins fits a small machine.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its parameters and salt."""
    return aside(lambda: _hasher.hash(password))


def is_right(password: str, encrypted: str | None) -> bool:
    """Return whether the password has this hash; without one (an unknown email) it takes as long and is false."""
    if len(password.encode()) > LONGEST:
        return False

    def verify() -> bool:
        try:
            return _hasher.verify(encrypted or _nobody(), password) and encrypted is not None
        except (VerificationError, InvalidHashError):
            return False

    return aside(verify)


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")
