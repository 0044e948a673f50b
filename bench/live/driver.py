"""The load generator's parent: tells it what to do, and looks at the clock and the CPU meanwhile."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.live.chats import Chat
from bench.live.servers import LiveBenchError, node
from bench.live.usage import Cpu

RAMP = 64  # sockets that are being opened at any time


@dataclass(frozen=True)
class Run:
    """What one run has measured. CPU seconds and posts are of the same time, without the warm-up."""

    posts: int
    posted: int  # since the sockets were opened, with the warm-up and what was still under way at the end
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    cpu: Cpu
    load_cpu: float

    def per_1000(self, seconds: float) -> float:
        """Return seconds per 1,000 posts."""
        return seconds / self.posts * 1000


class Driver:
    """One load generator, and the sockets that it has open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def open(self, protocol: str, url: str, chats: list[Chat]) -> float:
        """Open and subscribe two sockets for each chat; return the seconds that it took."""
        self._tell(do="open", protocol=protocol, url=url, ramp=RAMP, chats=[asdict(chat) for chat in chats])
        return float(self._hear("done")["seconds"])

    def run(
        self,
        cpu: Callable[[], Cpu],
        seconds: float,
        warm_up: float,
        in_flight: int | None = None,
        rate: float | None = None,
    ) -> Run:
        """Post with `in_flight` posts under way at any time, or `rate` a second."""
        self._tell(do="run", seconds=seconds, warm_up=warm_up, in_flight=in_flight, rate=rate)
        self._hear("beginning")
        before = cpu()
        self._hear("over")
        used = cpu().since(before)
        found = self._hear("done")
        if not found["posts"]:
            raise LiveBenchError("not one post was stored and delivered in the time")
        return Run(
            posts=found["posts"],
            posted=found["posted"],
            per_second=found["per_second"],
            p50_ms=found["p50_ms"],
            p99_ms=found["p99_ms"],
            worst_ms=found["worst_ms"],
            cpu=used,
            load_cpu=found["cpu_seconds"],
        )

    def close(self) -> None:
        """Close all sockets and connections."""
        self._tell(do="close")
        self._hear("done")

    def _tell(self, **command: Any) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has said why, see _hear

    def _hear(self, expected: str) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {"is": "failed", "error": "the load generator has ended"}
        if said["is"] != expected:
            raise LiveBenchError(str(said.get("error", said)))
        return said


@contextmanager
def driver(folder: Path) -> Iterator[Driver]:
    """Run a load generator."""
    with subprocess.Popen(
        [node(), "load.mjs"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Driver(process)
        finally:
            process.kill()
