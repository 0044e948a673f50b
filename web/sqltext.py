"""Finds the statements of a SQL text: where each begins, and its first words.

The loader sends files whole, so nothing that is loaded depends on this; it serves to name the line
of a failure that Postgres gives no position for, and to refuse `commit` in a file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>   \s+ | --[^\n]* )
    | (?P<comment> /\* )                               # may be nested: its end is counted
    | (?P<dollar>  \$ (?: [^\W\d]\w* )? \$ )           # its end is the same text again
    | (?P<string>  [eE]'(?: [^'\\] | \\. | '' )*'
                 | '(?: [^'] | '' )*' | "(?: [^"] | "" )*" )
    | (?P<word>    [^\W\d][\w$]* )
    | (?P<end>     ; )
    | (?P<other>   [^\s\w'"$;/-]+ | \d[\w.]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass
class Statement:
    """One statement: its offsets in the text, its first words in lower case, its first $$ body's offset."""

    start: int
    end: int
    words: list[str]
    body: int | None = None


def statements(text: str) -> list[Statement]:
    """Return the statements of `text` in order; empty ones are left out, as Postgres does."""
    found: list[Statement] = []
    current: Statement | None = None
    block = 0  # depth inside `begin atomic … end`, in which a semicolon ends nothing
    previous = ""
    for kind, start, end in _tokens(text):
        if kind == "end" and not block:
            current = None
            continue
        if current is None:
            current = Statement(start, end, [])
            found.append(current)
        current.end = end
        word = text[start:end].lower() if kind == "word" else ""
        if word and len(current.words) < 2:
            current.words.append(word)
        if kind == "dollar" and current.body is None:
            current.body = text.index("$", start + 1) + 1
        if (word == "atomic" and previous == "begin") or (block and word == "case"):
            block += 1
        elif block and word == "end":
            block -= 1
        previous = word
    return found


def line_of(text: str, offset: int) -> int:
    """Return the number of the line, from 1, that `offset` lies in."""
    return text.count("\n", 0, max(offset, 0)) + 1


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, start, end) of everything but white space and comments."""
    position = 0
    while match := _TOKEN.match(text, position):
        kind, start, position = str(match.lastgroup), match.start(), match.end()
        if kind == "comment":
            position = _end_of_comment(text, start)
        elif kind == "dollar":
            closing = text.find(match.group(), position)
            position = len(text) if closing < 0 else closing + len(match.group())
        if kind not in ("space", "comment"):
            yield kind, start, position


def _end_of_comment(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
