"""`make bench`: what giving a chat costs by the length of the queue, whole turns per second, and what events cost them.

    python -m bench.assignment [--quick] [--database-url …]

bench/README.md says what each figure means.
"""

import argparse
import sys

from rich.console import Console

from bench import notify, profile, report, turns, waiting
from bench.cluster import Cluster, cluster
from bench.pgbench import PgbenchError
from web.loader import LoadError
from web.postgres import PostgresError

SIZES = [1_000, 100_000, 1_000_000, 10_000_000]


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.quick:
        options.sizes = options.sizes[:3]
        options.rounds, options.seconds = min(options.rounds, 3), min(options.seconds, 3)
    # Where nobody watches, rich would cut the tables at 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        with cluster(options.database_url) as server:
            report.machine(console, server)
            if "a" in options.parts:
                _measure_waiting(console, server, options)
            if "b" in options.parts:
                _measure_turns(console, server, options)
            if "c" in options.parts:
                _measure_notify(console, server, options)
    except (LoadError, PostgresError, PgbenchError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measure_waiting(console: Console, server: Cluster, options: argparse.Namespace) -> None:
    with console.status("") as status:
        queues = waiting.measure(server, options.sizes, options.rounds, options.calls, status.update)
    report.waiting(console, queues)


def _measure_turns(console: Console, server: Cluster, options: argparse.Namespace) -> None:
    most_clients = max(options.clients)
    with console.status("filling two queues") as status, turns.sides(server, options.waiting, most_clients) as sides:
        rates = turns.measure(sides, options.clients, options.rounds, options.seconds, status.update)
        status.update("looking where the time goes")
        found = profile.measure(*sides, options.seconds)
    report.turns(console, rates)
    report.profile(console, found)


def _measure_notify(console: Console, server: Cluster, options: argparse.Namespace) -> None:
    with console.status("filling a queue") as status:
        # Eight runs a round for each number of clients: half the rounds must do.
        rounds = (options.rounds + 1) // 2
        ways = notify.measure(
            server, options.disks, options.waiting, options.clients, rounds, options.seconds, status.update
        )
    report.notify(console, ways)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.assignment", description="Measures assignment.")
    parser.add_argument("--quick", action="store_true", help="without 10 million chats, and with fewer rounds")
    parser.add_argument(
        "--database-url",
        help="a server to measure on, as its superuser: databases baton_bench_… are made in it and dropped "
        "(default: a temporary one of our own)",
    )
    parser.add_argument(
        "--parts", type=_parts, default="abc", help="a: by queue length; b: turns; c: turns and NOTIFY (%(default)s)"
    )
    parser.add_argument("--sizes", type=_numbers, default=SIZES, help="chats waiting, by commas; the first is 1.0")
    parser.add_argument("--waiting", type=int, default=20_000, help="chats waiting during the turns (%(default)s)")
    parser.add_argument("--clients", type=_numbers, default=[1, 8, 32], help="clients of the turns, by commas")
    parser.add_argument(
        "--disks", type=_disks, default=list(notify.DISKS), help="on which c is measured, by commas: fast, slow"
    )
    parser.add_argument("--rounds", type=int, default=6, help="how often each thing is measured (%(default)s)")
    parser.add_argument("--calls", type=int, default=100, help="calls of each case in a round (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="length of a run of turns (%(default)s)")
    return parser


def _parts(text: str) -> str:
    if not text or set(text) - set("abc"):
        raise argparse.ArgumentTypeError("some of the letters a, b and c")
    return text


def _disks(text: str) -> list[str]:
    disks = text.split(",")
    if set(disks) - set(notify.DISKS):
        raise argparse.ArgumentTypeError("fast, slow or fast,slow")
    return disks


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
