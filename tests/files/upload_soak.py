"""`make uploads`: ten thousand uploads in parallel streams, a quarter of them broken off at a random place.

    python -m tests.files.upload_soak [--uploads 10000] [--streams 32] [--seed 1]

Forms and bare bytes, with a length and in chunks, between one and 200 kB, against one Postgres that writes to its
disk and two web processes. At the end nearly all of the whole ones must have been kept, and the folder and the
tables must agree: no file without its bytes, no bytes that nobody knows, nothing of what was broken off. The exit
code is 1 where it is not so.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from tests.files.corpus import png
from tests.live.world import World

ABORTED = 0.25  # of the uploads
LARGEST = 200_000  # bytes
PATIENCE = 60.0  # seconds for one upload
WANTED = 0.999  # of those that were not broken off
ENVIRONMENT = {"WEB_CONCURRENCY": "2"}


@dataclass
class Load:
    """One run: what was sent, and what came of it."""

    world: World
    uploads: int
    streams: int
    chance: random.Random
    kept: dict[str, int] = field(default_factory=dict)  # path → bytes
    aborted: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)  # seconds
    seconds: float = 0.0

    def run(self) -> None:
        """Send all of them; raise AssertionError where too few were kept or the books are wrong."""
        began = time.monotonic()
        asyncio.run(self._run())
        self.seconds = time.monotonic() - began
        self._check()

    async def _run(self) -> None:
        numbers = iter(range(self.uploads))
        chats = self.world.new_chats(self.streams)
        async with asyncio.TaskGroup() as group:
            for chat_id, customer_id in chats:
                group.create_task(self._stream(numbers, self.world.token(customer_id), chat_id))

    async def _stream(self, numbers: Iterator[int], token: str, chat_id: str) -> None:
        """Send one after the other, as long as there are any left."""
        for _ in numbers:
            path = f"{chat_id}/{uuid4()}.png"
            content = png() + self.chance.randbytes(self.chance.randrange(1_000, LARGEST))
            message = self._message(path, content, token)
            if self.chance.random() < ABORTED:
                self.aborted.add(path)
                await self._send(message[: self.chance.randrange(len(message))], aborts=True)
                continue
            began = time.monotonic()
            try:
                answer = await asyncio.wait_for(self._send(message), PATIENCE)
            except (OSError, TimeoutError) as error:
                answer = repr(error)
            if answer.startswith("HTTP/1.1 200 "):
                self.kept[path] = len(content)
                self.durations.append(time.monotonic() - began)
            else:
                self.failures.append(answer[:500])

    async def _send(self, message: bytes, aborts: bool = False) -> str:
        """Send it on a connection of its own; return the answer, or break off."""
        address = urlsplit(self.chance.choice(self.world.base_urls))
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(message)
            await writer.drain()
            return "" if aborts else (await reader.read()).decode(errors="replace")
        except ConnectionError:
            if not aborts:
                raise
            return ""
        finally:
            if aborts and self.chance.random() < 0.5:
                writer.transport.abort()  # with a reset
            else:
                writer.close()

    def _message(self, path: str, content: bytes, token: str) -> bytes:
        """Return the whole request, in one of the ways in which clients send."""
        kind, body = "image/png", content
        if self.chance.random() < 0.5:
            part = 'Content-Disposition: form-data; name=""; filename="a.png"\r\nContent-Type: image/png'
            kind, body = (
                "multipart/form-data; boundary=b",
                f"--b\r\n{part}\r\n\r\n".encode() + content + b"\r\n--b--\r\n",
            )
        if self.chance.random() < 0.25:
            size = "Transfer-Encoding: chunked"
            parts = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])
        else:
            size = f"Content-Length: {len(body)}"
        head = (
            f"POST /storage/v1/object/attachments/{path} HTTP/1.1\r\nHost: baton\r\nConnection: close\r\n{size}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: {kind}\r\n\r\n"
        )
        return head.encode() + body

    def _check(self) -> None:
        self._wait_for_the_last()
        whole = len(self.kept) + len(self.failures)
        assert len(self.kept) >= WANTED * whole, f"{len(self.failures)} of {whole} failed, as {self.failures[:3]}"
        rows = self.world.rows("select name, version, (metadata ->> 'size')::int as size from storage.objects")
        sizes = {row["name"]: row["size"] for row in rows}
        assert self.kept.items() <= sizes.items(), "a file that was said to be kept is not"
        # One that failed may have been kept, if its answer was lost; one that was broken off was never whole.
        assert not self.aborted & sizes.keys(), "a file that was broken off was kept"
        assert len(sizes) <= whole
        folder = self.world.folder / "files"
        bytes_of = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        # The sweep is not needed for it: a refusal or a break leaves no bytes.
        assert bytes_of == {row["version"]: row["size"] for row in rows}, "folder and table disagree"

    def _wait_for_the_last(self) -> None:
        """Return when the servers have noticed every break."""
        drafts = self.world.folder / "files" / "incoming"
        deadline = time.monotonic() + PATIENCE
        while drafts.exists() and any(drafts.iterdir()):
            assert time.monotonic() < deadline, "an upload that was broken off has left its draft"
            time.sleep(0.05)

    def report(self) -> Table:
        """Return the figures."""
        durations = sorted(self.durations)
        size = sum(self.kept.values())
        table = Table("figure", "value", title=f"{self.seconds:.0f} s, {self.streams} streams", title_justify="left")
        for name, value in {
            "uploads": f"{self.uploads:,}",
            "broken off": f"{len(self.aborted):,}",
            "kept": f"{len(self.kept):,}",
            "failed": f"{len(self.failures):,}",
            "per second": f"{self.uploads / self.seconds:.0f}",
            "MB per second": f"{size / 1e6 / self.seconds:.1f}",
            "p50": f"{1000 * durations[len(durations) // 2]:.0f} ms",
            "p95": f"{1000 * durations[len(durations) * 95 // 100]:.0f} ms",
        }.items():
            table.add_row(name, value)
        return table


def main(arguments: list[str] | None = None) -> int:
    """Run as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.files.upload_soak", description="Uploads under load.")
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="baton-uploads-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder), {"max_connections": "100"})
        try:
            world.start(webs=1, **ENVIRONMENT)
            load = Load(world, options.uploads, options.streams, random.Random(options.seed))  # noqa: S311
            try:
                load.run()
            finally:
                if load.durations:
                    console.print(load.report())
        except AssertionError as error:
            console.print(f"uploads: {error}", style="red", soft_wrap=True)
            return 1
        finally:
            world.stop()
    console.print("Every file that was said to be kept is there with its bytes, and nothing else is.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
