"""pgbench, the load generator that comes with Postgres: the same one for both sides."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from web.postgres import program

SCRIPTS = Path(__file__).parent / "scripts"

_RATE = re.compile(r"^tps = ([\d.]+) \(without initial", re.MULTILINE)
_STATEMENT = re.compile(r"^ +([\d.]+) +\d+ +(\S.*)$", re.MULTILINE)


class PgbenchError(Exception):
    """pgbench did not run through; the text is what it said last."""


@dataclass(frozen=True)
class Result:
    """What one run has measured."""

    per_second: float
    statements: list[tuple[str, float]]  # in the script's order, with the mean milliseconds of each


def run(
    url: str,
    script: str,
    clients: int,
    seconds: int,
    variables: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
    is_by_statement: bool = False,
) -> Result:
    """Run scripts/`script` for `seconds`, with every statement prepared. Raises PgbenchError.

    `settings` are Postgres's, for the sessions of this run. By statement, nothing is sent in pipelines,
    in which no statement has a time of its own; such a run is slower as a whole.
    """
    text = (SCRIPTS / script).read_text()
    if is_by_statement:
        text = re.sub(r"^\\(start|end)pipeline\n", "", text, flags=re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".pgb") as file:
        file.write(text)
        file.flush()
        options = ["--no-vacuum", "--protocol=prepared", "--report-per-command", f"--file={file.name}"]
        options += [f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={seconds}"]
        options += [f"--define={name}={value}" for name, value in variables.items()]
        sessions = " ".join(f"-c {name}={value}" for name, value in (settings or {}).items())
        done = subprocess.run(
            [program("pgbench"), *options, url],
            env={**os.environ, "PGOPTIONS": sessions},
            capture_output=True,
            text=True,
            check=False,
        )
    rate = _RATE.search(done.stdout)
    # A client whose statement fails gives up, and the others go on: that is no measurement.
    if done.returncode or rate is None:
        raise PgbenchError(f"pgbench {script}: {(done.stderr or done.stdout).strip()[-600:]}")
    return Result(float(rate[1]), [(text, float(ms)) for ms, text in _STATEMENT.findall(done.stdout)])
