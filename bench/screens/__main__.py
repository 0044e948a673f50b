"""`make bench`: how light and how quick the screens are, in Chromium, beside their limits.

    python -m bench.screens [--quick] [--only widget,rows] [--database-url …]

bench/README.md says what each figure means.
"""

import argparse
import os
import signal
import sys

from rich.console import Console

from bench import report as machine
from bench.cluster import cluster
from bench.live.servers import LiveBenchError
from bench.screens import report
from bench.screens.measure import MEASURES, Options
from bench.screens.stage import BrowserMissingError, chromium, stage
from web.loader import LoadError
from web.postgres import PostgresError


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    parsed = _parser().parse_args(arguments)
    options = Options(1, min(parsed.seconds, 4)) if parsed.quick else Options(parsed.rounds, parsed.seconds)
    console = Console(width=None if sys.stdout.isatty() else 160)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running then either
    try:
        with chromium() as browser, cluster(parsed.database_url) as server:
            machine.machine(console, server)
            with stage(server, browser) as there:
                for name in parsed.only:
                    title, measure = MEASURES[name]
                    with console.status(title):
                        found = measure(there, options)
                    report.figures(console, title, found)
                    console.print(f"Load of the machine in the last minute: {os.getloadavg()[0]:.1f}")
    except (LoadError, PostgresError, LiveBenchError, BrowserMissingError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.screens", description="Measures the screens.")
    parser.add_argument("--quick", action="store_true", help="in one round")
    parser.add_argument(
        "--database-url",
        help="a server to measure on, as its superuser: a database baton_bench_screens is made in it and dropped "
        "(default: a temporary one of our own)",
    )
    parser.add_argument("--only", type=_names, default=list(MEASURES), help=f"some of {','.join(MEASURES)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often the widget is loaded (%(default)s)")
    parser.add_argument("--seconds", type=float, default=15, help="length of a run (%(default)s)")
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(MEASURES):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}: {','.join(MEASURES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
