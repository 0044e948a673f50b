"""`make bench`: how fast messages are stored and delivered to sockets, beside a server with socket.io.

    python -m bench.live [--quick] [--database-url …]

bench/README.md says what each figure means.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import report as machine
from bench.cluster import Cluster, cluster
from bench.live import report
from bench.live.measure import BATON, RIVAL, Options, Row, measure, most_sockets, raise_file_limit
from bench.live.servers import LiveBenchError, node_folder
from web.loader import LoadError
from web.postgres import PostgresError

MOST = "max"
RETREATS = (1.0, 0.75, 0.5)  # shares of the most that are tried until one goes well


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    parsed = _parser().parse_args(arguments)
    if parsed.quick:
        parsed.sockets = [count for count in parsed.sockets if count != MOST]
        parsed.rounds, parsed.seconds = 1, min(parsed.seconds, 4)
    options = Options(dict.fromkeys((BATON, RIVAL), parsed.processes), parsed.rounds, parsed.seconds, parsed.in_flight)
    console = Console(width=None if sys.stdout.isatty() else 140)
    raise_file_limit()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running then either
    try:
        with cluster(parsed.database_url) as server, node_folder() as folder:
            machine.machine(console, server)
            for disk in parsed.disks:
                # On the slow disk it is the flush that decides, however many sockets there are.
                for sockets in parsed.sockets if disk == "fast" else parsed.sockets[:1]:
                    rows = _measure(console, server, folder, options, disk, sockets)
                    # What serves each side best is found out once, with the fewest sockets.
                    options = replace(options, processes={row.side: [row.processes] for row in rows})
    except (LoadError, PostgresError, LiveBenchError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measure(
    console: Console, server: Cluster, folder: Path, options: Options, disk: str, sockets: int | str
) -> list[Row]:
    """Measure with so many sockets and print it."""
    with console.status("") as status:
        if isinstance(sockets, int):
            rows, reason = measure(server, disk, sockets, folder, options, status.update), ""
        else:
            # Opening them takes minutes: one round must do.
            rows, reason = _measure_most(
                lambda count: measure(server, disk, count, folder, replace(options, rounds=1), status.update)
            )
    report.live(console, disk, rows)
    if reason:
        console.print(f"More than {rows[0].sockets:,} sockets cannot be had here: {reason}")
    return rows


def _measure_most(attempt: Callable[[int], list[Row]]) -> tuple[list[Row], str]:
    """Try as many sockets as the machine's limits allow, then fewer; return also what set the limit."""
    most, reason = most_sockets()
    for share in RETREATS:
        count = int(most * share) // 100 * 100
        try:
            return attempt(count), reason
        except LiveBenchError as error:
            reason = f"with {count:,}, {error}"
    raise LiveBenchError(reason)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description="Measures delivery to sockets.")
    parser.add_argument("--quick", action="store_true", help="without the most sockets, and in one round")
    parser.add_argument(
        "--database-url",
        help="a server to measure on, as its superuser: databases baton_bench_… are made in it and dropped "
        "(default: a temporary one of our own)",
    )
    parser.add_argument(
        "--sockets", type=_sockets, default=[400, 4000, MOST], help="how many, by commas; max: as many as can be"
    )
    parser.add_argument(
        "--disks",
        type=_disks,
        default=["fast", "slow"],
        help="fast: as it is; slow: each commit waits 2 ms more, measured with the first number of sockets",
    )
    parser.add_argument("--processes", type=_numbers, default=[1, 2], help="numbers of web processes to choose from")
    parser.add_argument("--in-flight", type=int, default=64, help="posts under way at full speed (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each thing is measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6, help="length of a run (%(default)s)")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _sockets(text: str) -> list[int | str]:
    return [number if number == MOST else int(number) for number in text.split(",")]


def _disks(text: str) -> list[str]:
    disks = text.split(",")
    if set(disks) - {"fast", "slow"}:
        raise argparse.ArgumentTypeError("fast, slow or fast,slow")
    return disks


if __name__ == "__main__":
    sys.exit(main())
