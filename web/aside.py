"""Work that would hold up the event loop: hashing, waiting for the disk."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

T = TypeVar("T")


def aside(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own while requests and sockets go on; in a plain program, here."""
    if monkey.is_module_patched("socket") and gevent.get_hub().loop is not None:
        result: T = _threads().apply(work)
        return result
    return work()


@cache
def _threads() -> ThreadPool:
    return ThreadPool(2)
