"""What processes use: CPU seconds and memory of whole families."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import psutil

from bench.cluster import connect

T = TypeVar("T")


@dataclass(frozen=True)
class Cpu:
    """CPU seconds, since some beginning or over some time."""

    web: float
    postgres: float

    def since(self, before: "Cpu") -> "Cpu":
        """Return the difference."""
        return Cpu(self.web - before.web, self.postgres - before.postgres)


def cpu(web: psutil.Process, postgres: psutil.Process | None) -> Cpu:
    """Return what both families have used so far."""
    return Cpu(_cpu_seconds(web), _cpu_seconds(postgres) if postgres else 0)


def memory(process: psutil.Process) -> int:
    """Return the resident bytes of a process and all its descendants."""
    return sum(_of_family(process, lambda member: member.memory_info().rss))


def postmaster(url: str) -> psutil.Process | None:
    """Return the server's first process, None where it does not run on this machine."""
    with connect(url) as connection:
        row = connection.execute("select pg_backend_pid()").fetchone()
        try:
            backend = psutil.Process(row[0]) if row else None
            parent = backend.parent() if backend else None
        except psutil.Error:
            return None
        # In a container of its own the server has other numbers than we see.
        return parent if parent and "postgres" in parent.name() else None


def signal(process: psutil.Process, number: int) -> None:
    """Send a signal to a process and all its descendants."""
    _of_family(process, lambda member: member.send_signal(number))


def _cpu_seconds(process: psutil.Process) -> float:
    """Sum it up over the family; its members that have ended are in their parent's account."""
    times = _of_family(process, lambda member: member.cpu_times())
    ended = times[0].children_user + times[0].children_system
    return float(sum(each.user + each.system for each in times) + ended)


def _of_family(process: psutil.Process, ask: Callable[[psutil.Process], T]) -> list[T]:
    """Ask a process and all its descendants, save those that end meanwhile, as Postgres's workers do."""
    answers = [ask(process)]
    for member in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            answers.append(ask(member))
    return answers
