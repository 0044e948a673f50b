"""The benchmark runs, in a tiny setting, and prints its tables."""

import subprocess
import sys

from tests.conftest import Servers
from tests.servers import ROOT


def test_it_prints_its_tables_and_leaves_nothing_behind(servers: Servers) -> None:
    server = servers.server("postgres-18-embedded")
    shorter = ["--sizes=100,200", "--waiting=100", "--rounds=1", "--calls=5", "--seconds=1"]
    tiny = [*shorter, "--clients=1", "--disks=slow"]

    done = subprocess.run(
        [sys.executable, "-m", "bench.assignment", "--database-url", server.cluster.url, *tiny],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for table in ("assign_chat_to_operator", "Whole turns", "Where the time goes", "dearest functions", "Turns/s by"):
        assert table in done.stdout
    with server.empty_database() as database:
        assert database.rows("select datname from pg_database where datname like 'baton_bench_%%'") == []


def test_sockets_are_measured_on_both_sides_and_nothing_is_left_behind(servers: Servers) -> None:
    server = servers.server("postgres-18-embedded")
    tiny = ["--sockets=20", "--disks=fast", "--processes=1", "--rounds=1", "--seconds=0.25", "--in-flight=2"]

    done = subprocess.run(
        [sys.executable, "-m", "bench.live", "--database-url", server.cluster.url, *tiny],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "20 sockets" in done.stdout
    with server.empty_database() as database:
        assert database.rows("select datname from pg_database where datname like 'baton_bench_%%'") == []
