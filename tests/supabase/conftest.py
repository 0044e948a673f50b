"""Supabase's command line tool in the folder of a new project, and databases for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Database, Server
from tests.supabase.projects import TOOL, Tool, supabase_database


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """The tool, in a folder where nothing is yet."""
    if not TOOL.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("the Supabase command line tool is not installed, and this is CI: `make test` does it")
        pytest.skip("the Supabase command line tool is not installed: `make test` does it")
    return Tool(tmp_path)


@pytest.fixture
def project(server: Server) -> Iterator[Database]:
    """A database as on a new Supabase project, reached as its owner, who is no superuser."""
    with supabase_database(server) as database:
        yield database
