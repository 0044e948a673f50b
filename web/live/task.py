"""Work that is done some time after it was asked for, however often it was asked."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg

log = logging.getLogger("baton.live")


class Task:
    """A thread that does one thing, again and again, whenever it has been requested since.

    Args:
        name: For the log.
        work: What is done. When it fails that is logged, once, and it is tried again a second later.
        pause: Seconds that lie between two times, at least.
        share: The pause is also so many times as long as the work took, if that is more.
        longest: But never longer than so many seconds.
        every: Seconds after which it is done without a request, too.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        pause: float = 0.3,
        share: float = 20,
        longest: float = 5,
        every: float | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._share = share
        self._longest = longest
        self._every = every
        self._requested = threading.Event()
        self._stopping = threading.Event()
        self._is_failing = False

    def start(self) -> None:
        """Begin to do what is requested."""
        threading.Thread(target=self._run, name=f"baton {self._name}", daemon=True).start()

    def request(self) -> None:
        """Have it done, soon."""
        self._requested.set()

    def stop(self) -> None:
        """Do it no more; what is being done is not waited for."""
        self._stopping.set()
        self._requested.set()

    def _run(self) -> None:
        while True:
            self._requested.wait(self._every)
            if self._stopping.is_set():
                return
            self._requested.clear()  # before the work: what is requested meanwhile is done after it
            began = time.monotonic()
            is_done = self._do()
            if not is_done:
                self._requested.set()
            took = time.monotonic() - began
            pause = min(took * self._share, self._longest) if is_done else 1.0
            self._stopping.wait(max(self._pause, pause))

    def _do(self) -> bool:
        try:
            self._work()
        except Exception as error:
            if not self._is_failing and not self._stopping.is_set():
                self._is_failing = True
                if isinstance(error, psycopg.Error):
                    log.warning("%s failed and will be tried again: %s", self._name, " ".join(str(error).split()))
                else:
                    log.exception("%s failed and will be tried again", self._name)
            return False
        if self._is_failing:
            self._is_failing = False
            log.info("%s works again", self._name)
        return True
