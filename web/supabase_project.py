"""Writes what the Supabase command line pushes onto a project, out of `sql/`.

A run adds one migration: what is in none of the earlier ones yet, then all code. One, because the tool
makes each file a transaction of its own, and between two of them tables would stand there without their
triggers and policies. Files that are there are never changed, and none is added when nothing is new.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from web.loader import LOCK, Migration, Source, bookkeeping

CONFIG = Path(__file__).with_name("supabase_config.toml")

_FILE_NAME = re.compile(r"(\d+)_.*\.sql", re.ASCII)
_MIGRATION = re.compile(r"^select private\.apply_migration\('(\d+)', '([^']+)', '(\w+)', ", re.MULTILINE)
_CODE = re.compile(r"^select private\.end_code\('(\w+)'\)", re.MULTILINE)

_HEADER = """\
-- Made by `make supabase` from Baton's sql/; not to be edited. What is in the database already is passed over.

set statement_timeout = 0;
set lock_timeout = '30s';
set client_min_messages = warning;
set search_path = public;
set check_function_bodies = off;
select pg_advisory_xact_lock({lock});
"""

_FOOTER = """\
reset check_function_bodies;
reset search_path;
reset client_min_messages;
reset lock_timeout;
reset statement_timeout;
"""


class ProjectError(Exception):
    """The folder cannot be brought up to date, and was not changed; the text is one line for a person."""


@dataclass(frozen=True)
class Written:
    """What was added to the folder."""

    files: list[Path]
    migrations: int = 0

    def __str__(self) -> str:
        if not self.files:
            return "nothing to write, the project is up to date"
        return "\n".join(f"wrote {file}" for file in self.files)


@dataclass(frozen=True)
class Earlier:
    """What the migrations in the folder bring already."""

    last: str  # the version of the last one, be it Baton's or not
    applied: dict[str, tuple[str, str]]  # version: (name, hash)
    code: str | None

    @classmethod
    def read(cls, folder: Path) -> "Earlier":
        """Read the folder of migrations; it may be missing."""
        versions = {path: match[1] for path in folder.glob("*.sql") if (match := _FILE_NAME.fullmatch(path.name))}
        applied: dict[str, tuple[str, str]] = {}
        code = None
        for path in sorted(versions, key=lambda path: versions[path]):
            if path.name.endswith("_baton.sql"):
                text = path.read_text(encoding="utf-8")
                applied |= {version: (name, sha256) for version, name, sha256 in _MIGRATION.findall(text)}
                code = next(iter(_CODE.findall(text)), code)
        return cls(max(versions.values(), default=""), applied, code)


def write(sql: Path, folder: Path) -> Written:
    """Bring the folder `supabase/` up to date with `sql/`.

    Raises LoadError where `sql/` cannot be read, ProjectError where the folder contradicts it; then
    nothing is changed.
    """
    source = Source.read(sql)
    earlier = Earlier.read(folder / "migrations")
    pending = _pending(source, earlier)
    code = source.hash(with_shim=False)
    files = {}
    if not (folder / "config.toml").exists():
        files[folder / "config.toml"] = CONFIG.read_text(encoding="utf-8")
    if pending or earlier.code != code:
        name = f"{_version(source, earlier)}_baton.sql"
        files[folder / "migrations" / name] = _text(source, pending, code)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Interrupted half-way it has no name that the tool would take for a migration's.
        unfinished = path.with_name(path.name + ".new")
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    return Written(list(files), len(pending))


def _pending(source: Source, earlier: Earlier) -> list[Migration]:
    """Return the migrations that no file brings yet."""
    known = {migration.version: migration for migration in source.migrations}
    if len(known) < len(source.migrations):
        raise ProjectError("two migrations in sql/migrations/ have the same version")
    for version, (name, sha256) in sorted(earlier.applied.items()):
        if version not in known:
            raise ProjectError(f"the project has the migration {name}, which is not here: it is of a newer Baton")
        if known[version].file.sha256 != sha256:
            raise ProjectError(f"{known[version].file.name}:1: edited after it was written; write a new migration")
    return [known[version] for version in sorted(known.keys() - earlier.applied.keys())]


def _version(source: Source, earlier: Earlier) -> str:
    """Return the version of the new file: after the newest migration in it, and after every file there is.

    It comes from these and not from the clock, so that everyone makes the same file. The tool refuses
    a file that sorts before one that was pushed.
    """
    newest = max((migration.version for migration in source.migrations), default="20260101000000")
    version = f"{newest[:8]}120000"
    if version > max(newest, earlier.last):
        return version
    last = max(newest, earlier.last)
    if len(last) != len(version):
        raise ProjectError(f"the migration {last} sorts after every date: give it a version of 14 digits")
    try:
        return f"{datetime.strptime(last, '%Y%m%d%H%M%S') + timedelta(seconds=1):%Y%m%d%H%M%S}"
    except ValueError:  # a number that is no time
        return f"{int(last) + 1:014}"


def _text(source: Source, pending: list[Migration], code: str) -> str:
    versions = ",".join(sorted(migration.version for migration in source.migrations))
    parts = [_HEADER.format(lock=LOCK), bookkeeping().text]
    for migration in pending:
        arguments = (migration.version, migration.file.name.rpartition("/")[2], migration.file.sha256)
        parts.append(f"select private.apply_migration({_listed(arguments)}, {_quoted(migration.file.text)});\n")
    parts.append(f"select private.begin_code({_listed((code, f'{{{versions}}}'))});\n")
    # One by one, since the tool repeats a statement that fails.
    parts += [f"-- {file.name}\n\nselect private.run_code({_quoted(file.text)});\n" for file in source.code]
    parts.append(f"select private.end_code({_listed((code,))});\n")
    return "\n".join([*parts, _FOOTER])


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(f"'{text}'" for text in texts)


def _quoted(text: str) -> str:
    """Return the text between dollars of a kind that it does not have itself."""
    tag = "$baton$"
    while tag in text:
        tag = tag[:-1] + "_$"
    return f"{tag}\n{text.rstrip()}\n{tag}"
