"""Python holds no rule: it changes no row of its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for folder in ("web", "functions") for path in (ROOT / folder).rglob("*.py"))
WRITES = re.compile(r"\b(insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into|truncate)\b", re.IGNORECASE)


def texts(path: Path) -> Iterator[str]:
    """Yield every text in a module that is not a docstring."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_writes_rows(path: Path) -> None:
    assert [text for text in texts(path) if WRITES.search(text)] == []


def test_the_pattern_finds_what_it_looks_for() -> None:
    for statement in ("insert into chats", "UPDATE public.chats\nSET x = 1", "delete from messages", "truncate chats"):
        assert WRITES.search(statement)
    assert FILES
