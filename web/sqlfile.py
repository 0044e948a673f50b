"""Runs a SQL file in the current transaction, and names the file's line when it fails."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from psycopg import Connection, Error, generators
from psycopg.errors import Diagnostic
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from web.sqltext import Statement, line_of, statements

_DO_LINE = re.compile(r"inline_code_block line (\d+)")
_ENDS_TRANSACTION = {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"}
_FAILED = {ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE}
_COPY = {ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH}


class SqlError(Exception):
    """A SQL file failed; the text is one line: `sql/functions/chats.sql:12: message`."""


@dataclass(frozen=True)
class SqlFile:
    """A file's text, and its name as it is shown: the path from the folder above `sql/`."""

    name: str
    text: str

    @classmethod
    def read(cls, path: Path, folder: Path) -> Self:
        """Read `path`, which lies in `folder`. Raises SqlError when it is not UTF-8 text."""
        name = str(folder.name / path.relative_to(folder))
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise SqlError(f"{name}:{line}: not UTF-8") from None
        file = cls(name, text)
        if "\0" in text:  # would end the text for Postgres, silently
            raise file.error(text.index("\0"), "a null byte")
        return file

    @property
    def sha256(self) -> str:
        """The hash of the text; line endings do not matter, so that git may change them."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def error(self, offset: int, message: str) -> SqlError:
        """Make the error of a failure at `offset`."""
        return SqlError(f"{self.name}:{line_of(self.text, offset)}: {message}")

    def run(self, connection: Connection[Any]) -> None:
        """Run the file in the current transaction, deferred checks included. Raises SqlError."""
        parts = statements(self.text)
        for part in parts:
            if part.words and (part.words[0] in _ENDS_TRANSACTION or part.words == ["prepare", "transaction"]):
                word = part.words[0]
                raise self.error(part.start, f"{word}: not allowed, all files run in one transaction")
        self._send(connection, parts)
        try:
            # Whatever a deferred constraint has to say belongs to this file. It also lets the next
            # file alter a table that this one has written to.
            connection.execute("set constraints all immediate")
            connection.execute("set constraints all deferred")
        except Error as error:
            raise self.error(0, describe(error.diag)) from None

    def _send(self, connection: Connection[Any], parts: list[Statement]) -> None:
        """Send the whole text in one message and read the answers, one for each statement.

        This is a level below `connection.execute`, which would not say how many statements had
        succeeded before the one that failed. Most failures carry no position.
        """
        connection.pgconn.send_query(self.text.encode())
        for done, result in enumerate(connection.wait(generators.execute(connection.pgconn))):
            if result.status in _COPY:
                connection.close()  # it would wait for data for ever
                raise self.error(parts[done].start, "copy … from stdin: there is no input")
            if result.status in _FAILED:
                statement = parts[done] if done < len(parts) else None
                raise self.error(self._locate(result, statement), describe(Diagnostic(result, "utf-8")))

    def _locate(self, result: PGresult, statement: Statement | None) -> int:
        """Return the offset of a failure: as exactly as Postgres tells, else the statement's."""
        position = _number(result, DiagnosticField.STATEMENT_POSITION)
        if position:
            return position - 1
        if statement is None:
            return 0
        if statement.body is not None:
            inner = _text(result, DiagnosticField.INTERNAL_QUERY)
            # `perform x` has become `SELECT x` by the time it is run.
            for query, cut in ((inner, 0), (inner.removeprefix("SELECT "), len("SELECT "))):
                found = self.text.find(query, statement.body, statement.end) if query else -1
                if found >= 0:
                    return found + max(_number(result, DiagnosticField.INTERNAL_POSITION) - 1 - cut, 0)
            lines = _DO_LINE.findall(_text(result, DiagnosticField.CONTEXT))
            if lines:  # the last is the outermost: the block itself, not what it called
                return _skip_lines(self.text, statement.body, int(lines[-1]) - 1)
        return statement.start


def describe(diagnostic: Diagnostic) -> str:
    """Return a failure in one line: message, detail and hint."""
    parts = (diagnostic.message_primary, diagnostic.message_detail, diagnostic.message_hint)
    return "; ".join(" ".join(part.split()) for part in parts if part) or "the connection was lost"


def _skip_lines(text: str, offset: int, count: int) -> int:
    for _ in range(count):
        offset = text.find("\n", offset) + 1
    return offset


def _text(result: PGresult, field: DiagnosticField) -> str:
    return (result.error_field(field) or b"").decode(errors="replace")


def _number(result: PGresult, field: DiagnosticField) -> int:
    return int(_text(result, field) or 0)
