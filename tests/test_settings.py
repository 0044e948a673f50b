"""The settings: what is read, what .env.example lists, and what docs/backends.md explains, are the same."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from web.config import Config

ROOT = Path(__file__).parent.parent
# Of the assistant, which is not built.
TO_COME = {"OPENAI_BASE_URL", "OPENAI_API_KEY", "BATON_MODEL", "BATON_EMBEDDING_MODEL"}
# Written by our own server for its processes.
INTERNAL = {"PROMETHEUS_MULTIPROC_DIR"}


class Recorder(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def read() -> set[str]:
    """Return the names of all variables that the code reads."""
    environment = Recorder()
    Config.from_env(environment)
    pattern = re.compile(r"""os\.environ(?:\.get\(|\[)["'](\w+)["']""")
    files = [*ROOT.glob("*.py"), *(ROOT / "web").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    return (environment.asked | {name for path in files for name in pattern.findall(path.read_text())}) - INTERNAL


def listed() -> dict[str, str]:
    """Return what .env.example lists, with the defaults."""
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_every_setting_is_listed() -> None:
    assert set(listed()) == read() | TO_COME


def test_what_is_listed_is_the_default() -> None:
    assert Config.from_env(listed()) == Config.from_env({})


def test_every_setting_is_explained() -> None:
    page = (ROOT / "docs" / "backends.md").read_text()
    assert set(re.findall(r"`((?:BATON|SUPABASE|DATABASE|WEB|GUNICORN)_[A-Z_]+|HOST|PORT|SMTP_URL)`", page)) == read()


@pytest.mark.parametrize("missing", ["SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL"])
def test_a_project_without_what_belongs_to_it_is_refused_in_one_line(missing: str, tmp_path: Path) -> None:
    given = {
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_ANON_KEY": "anon",
        "SUPABASE_SERVICE_ROLE_KEY": "service",
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "BATON_DATA": str(tmp_path / "data"),
    }
    result = subprocess.run(
        [sys.executable, "-m", "web.serve"],
        cwd=ROOT,
        env={**given, missing: ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"baton: SUPABASE_URL needs {missing} of the same project (docs/backends.md)\n"
    assert not (tmp_path / "data").exists()
