"""The public keys of a Supabase project, by which its tokens are verified here."""

import math
import threading
import time
from collections.abc import Callable

import httpx
import structlog

from web.errors import ApiError
from web.keys import Key, read_key_set

log = structlog.get_logger("baton.keys")

# All in seconds.
LIFETIME = 300  # then the project is asked whether it still has the same keys
PAUSE = 10  # at least, between two questions: an unknown key in a token must not be a way to make us ask
PATIENCE = 3  # for an answer


class ProjectKeys:
    """Asks the project's address for its keys, one question at a time, and keeps what it answered.

    While it does not answer, the keys known before stay good: its tokens outlive it by an hour at most.
    """

    def __init__(self, project_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember the address; nothing is asked before the first token."""
        self.generation = 0  # another one whenever the keys have changed
        self._address = f"{project_url}/auth/v1/.well-known/jwks.json"
        self._clock = clock
        self._keys: list[Key] = []
        self._asked_at = self._answered_at = -math.inf
        self._lock = threading.Lock()

    def freshen(self) -> None:
        """Ask again when what is known is old; meanwhile others go on with it."""
        is_old = -math.inf < self._answered_at < self._clock() - LIFETIME
        if is_old and self._may_ask() and self._lock.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._lock.release()

    def find(self, algorithm: object, kid: object) -> list[Key]:
        """Return the keys that may have signed a token; an unknown id is asked for.

        Raises:
            ApiError: 503 keys_unavailable, when the project does not say which keys it has.
        """
        found = self._known(algorithm, kid)
        if found or (kid is None and self._answered_at > -math.inf):
            return found
        with self._lock:  # who has waited finds what the other was told
            found = self._known(algorithm, kid)
            if not found and self._may_ask():
                self._ask()
                found = self._known(algorithm, kid)
        if not found and self._answered_at < self._asked_at:
            raise _unavailable()
        return found

    def all(self) -> list[Key]:
        """Return every key, to be published here too: whoever signs in here has tokens of the project.

        Raises:
            ApiError: 503 keys_unavailable, when the project has never said which keys it has.
        """
        self.freshen()
        with self._lock:
            if self._answered_at == -math.inf and self._may_ask():
                self._ask()
            if self._answered_at == -math.inf:
                raise _unavailable()
            return list(self._keys)

    def _known(self, algorithm: object, kid: object) -> list[Key]:
        return [key for key in self._keys if key.suits(algorithm, kid)]

    def _may_ask(self) -> bool:
        return self._asked_at + PAUSE <= self._clock()

    def _ask(self) -> None:
        """Ask, under the lock."""
        try:
            answer = httpx.get(self._address, timeout=PATIENCE)
            answer.raise_for_status()
            keys = read_key_set(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            self._asked_at = self._clock()
            log.warning("project_keys_unavailable", address=self._address, error=repr(error))
            return
        self._asked_at = self._answered_at = self._clock()
        if keys != self._keys:
            self._keys, self.generation = keys, self.generation + 1


def _unavailable() -> ApiError:
    message = "The keys that would verify this token cannot be had at the moment."
    return ApiError(503, "keys_unavailable", message, "Try again.", headers={"Retry-After": str(PAUSE)})
