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
# What is wrong with a field, after its name; and the functions that say the same, without the name and the full stop.
_FIELD_HINT = re.compile(r"private\.refuse\('\w+', '\w+: ((?:[^']|'')*)'\)")
_FIELD_FUNCTION = re.compile(r"function private\.\w+_problem\(.*?\n\$\$;", re.S)
_FIELD_PROBLEM = re.compile(rf"\b(?:then|else)\s+{_LITERAL}")
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


def functions(file: IO[bytes], *_: object, **__: object) -> Iterator[Found]:
    """Yield what functions find wrong with a field, and the actions that they tell the audit log: operator.added."""
    text = file.read().decode()
    problems = [(match.start(), match[1]) for match in _FIELD_HINT.finditer(text)]
    for function in _FIELD_FUNCTION.finditer(text):
        found = _FIELD_PROBLEM.finditer(function[0])
        problems += [(function.start() + match.start(), f"{match[1]}.") for match in found]
    for place, problem in problems:
        yield _line(text, place), None, problem.replace("''", "'"), ["Stands beneath a field of a form that is wrong."]
    for call in _AUDIT_CALL.finditer(text):
        for action in _ACTION.findall(call[0]):
            told = ["An action of the audit log: what was done to whom, in a few words."]
            yield _line(text, call.start()), None, action, told


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
