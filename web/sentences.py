"""Sentences that the server says and the screens show: collected for translators, where they stand.

Babel calls these functions for the files that babel.cfg names. Scripts look such a sentence up as it came
(js/core/problem.js), so that what is said and what is translated cannot drift apart.
"""

import ast
import re
from collections.abc import Iterator
from typing import IO

# A line of the table, a function's name (Babel's word for it), the sentence, what translators are told.
Found = tuple[int, None, str, list[str]]

_LITERAL = r"'((?:[^']|'')*)'"
_CATALOGUE_LINE = re.compile(rf"\('\w+', \d{{3}}, {_LITERAL}, {_LITERAL}\)")
_AUDIT_CALL = re.compile(r"perform private\.audit\(([^;]*);")
_ACTION = re.compile(r"'([a-z_]+\.[a-z_]+)'")


def refusals(file: IO[bytes], *_: object, **__: object) -> Iterator[Found]:
    """Yield the messages and hints of the catalogue of errors, sql/functions/errors.sql."""
    for number, line in enumerate(file.read().decode().splitlines(), 1):
        if match := _CATALOGUE_LINE.search(line):
            yield from ((number, None, sentence.replace("''", "'"), []) for sentence in match.groups())


def web_refusals(file: IO[bytes], *_: object, **__: object) -> Iterator[Found]:
    """Yield the messages and hints of a module's tables of errors, and of those that it raises itself."""
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Tuple):
            parts = node.elts[-2:] if len(node.elts) in {3, 4} else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ApiError":
            parts = node.args[2:4]
        else:
            continue
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.endswith("."):
                yield part.lineno, None, part.value, []


def audited(file: IO[bytes], *_: object, **__: object) -> Iterator[Found]:
    """Yield the actions that functions say to the audit log, such as operator.added."""
    text = file.read().decode()
    for call in _AUDIT_CALL.finditer(text):
        number = text.count("\n", 0, call.start()) + 1
        for action in _ACTION.findall(call.group()):
            yield number, None, action, ["An action of the audit log: what was done to whom, in a few words."]
