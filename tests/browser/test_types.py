"""The types that the client's modules are checked with are those of what the server answers."""

import re

import pytest
from pydantic import BaseModel

from tests.servers import ROOT
from web import schemas

TYPES = (ROOT / "web/static/js/core/types.d.ts").read_text()


def fields(interface: str) -> set[str]:
    """Return the names of an interface's fields."""
    found = re.search(rf"export interface {interface} \{{\n(.*?)\n\}}", TYPES, re.DOTALL)
    assert found, interface
    return set(re.findall(r"^  (\w+)\??:", found[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("interface", "model"),
    [
        ("Chat", schemas.Chat),
        ("Message", schemas.Message),
        ("ReadMark", schemas.ReaderMark),
        ("Note", schemas.SignedNote),
        ("Snapshot", schemas.Snapshot),
        ("QueueStatus", schemas.QueueStatus),
        ("Problem", schemas.Problem),
        ("ListRow", schemas.ListRow),
        ("Inbox", schemas.Inbox),
    ],
)
def test_rows_have_the_columns_that_the_server_describes(interface: str, model: type[BaseModel]) -> None:
    assert fields(interface) - {"event_seq"} == set(model.model_fields) - {"event_seq"}
