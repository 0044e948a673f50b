"""`make demo`: a minute of traffic against the running server, then the numbers and the account.

    python -m demo [--seed 1] [--seconds 60] [--customers 200] [--operators 20]

The server is at BATON_URL, its database the one that the server's own settings name. Nothing is
written but through the server's routes and the database's functions. Ends with 1 when something is
not accounted for.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import psycopg
from dotenv import load_dotenv
from rich.console import Console

from demo import account, database, report, staff
from demo.http import Refused, Server, Unreachable, check
from demo.ledger import Ledger
from demo.play import Play, perform
from demo.schedule import Schedule
from web import local
from web.config import Config
from web.loader import LoadError


def main(arguments: list[str] | None = None) -> int:
    """Play, report, and return the exit code."""
    load_dotenv(Path(__file__).parent.parent / ".env")
    options = _parser().parse_args(arguments)
    # Whatever ends the run early, the idle limit is put back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options, Config.from_env())
    except KeyboardInterrupt:
        return 130
    except (database.NoDatabaseError, staff.StaffError, Refused, Unreachable, LoadError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except psycopg.Error as error:
        print(f"demo: {str(error).splitlines()[0]}", file=sys.stderr)
    except TimeoutError:
        print("demo: the server did not come to an end with the last requests", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, config: Config) -> int:
    # Where nobody watches, rich would cut the tables at 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 140)
    url = options.url or os.environ.get("BATON_URL") or f"http://{config.host}:{config.port}"
    check(url)
    server = Server(url, Ledger())
    logins = staff.logins(options.operators, local.jwt_secret(config))
    play = Play(options.seed, options.seconds, options.customers, logins)
    limit = Schedule(options.seconds).idle_limit
    with database.connect(config) as connection:
        staff.ensure(connection, logins)
        console.print(
            f"{options.customers} customers and {options.operators} operators at {url} for {options.seconds:g} s "
            f"(seed {options.seed}); the idle limit is {limit} s meanwhile"
        )
        with database.idle_limit(connection, limit):
            asyncio.run(perform(play, server, console))
        report.numbers(console, connection)
        report.this_run(console, connection, server.ledger)
        report.latencies(console, server.latencies)
        checks = account.audit(connection, server.ledger)
        report.account(console, server.ledger, checks)
    return 1 if any(found.problems for found in checks) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Plays traffic against a running Baton.")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same choices (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long (%(default)s)")
    parser.add_argument("--customers", type=int, default=200, help="how many come (%(default)s)")
    parser.add_argument("--operators", type=int, default=20, help="how many work (%(default)s)")
    parser.add_argument("--url", help="the server (default: BATON_URL, else HOST and PORT)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
