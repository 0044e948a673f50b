"""The benchmark runs, in a tiny setting, and prints its tables."""

import subprocess
import sys

from tests.conftest import Servers
from tests.servers import ROOT


def test_it_prints_its_tables_and_leaves_nothing_behind(servers: Servers) -> None:
    server = servers.server("postgres-18-embedded")
    tiny = ["--sizes=1000,2000", "--rounds=1", "--calls=5", "--seconds=1", "--clients=1"]

    done = subprocess.run(
        [sys.executable, "-m", "bench.assignment", "--database-url", server.cluster.url, *tiny],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for table in ("assign_chat_to_operator", "Whole turns", "Where the time goes", "dearest functions"):
        assert table in done.stdout
    with server.empty_database() as database:
        assert database.rows("select datname from pg_database where datname like 'baton_bench_%%'") == []
