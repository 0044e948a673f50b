"""Going through many things, without asking for all of them at once or keeping everybody else waiting."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def unhurried(items: Iterable[T], at_once: int = 50) -> Iterator[T]:
    """Yield the items and let everybody else have a turn after every few."""
    for number, item in enumerate(items, 1):
        yield item
        if number % at_once == 0:
            time.sleep(0)
