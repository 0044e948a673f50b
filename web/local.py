"""What Baton keeps on this machine, in the folder BATON_DATA: its lock, its secret, its database."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web.config import Config
from web.postgres import EmbeddedPostgres, running_url


class InUseError(Exception):
    """Another process works with the folder; the text is one line for a person."""


def make_data_dir(data_dir: Path) -> None:
    """Make the folder, closed to other users (though the embedded server's may have to pass through)."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def hold(data_dir: Path, who: str) -> Iterator[None]:
    """Hold the folder: its embedded server is ours to start and stop.

    `who` is what the next one is told. The lock goes with the process, however that ends.
    Raises InUseError.
    """
    make_data_dir(data_dir)
    with (data_dir / "run.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InUseError(f"the data in {data_dir} is in use by {file.read() or 'another process'}") from None
        file.truncate(0)
        file.write(f"{who}, process {os.getpid()}")
        file.flush()
        yield


def embedded(config: Config) -> EmbeddedPostgres:
    """Return the embedded server of these settings; it is not started."""
    return EmbeddedPostgres(config.data_dir / "postgres")


@contextmanager
def database(config: Config) -> Iterator[str]:
    """Give a command the address of the database: DATABASE_URL, or the embedded one.

    An embedded server that does not run is started for as long as the command takes.
    Raises InUseError, PostgresError.
    """
    if config.database_url:
        yield config.database_url
        return
    url = running_url(config.data_dir / "postgres")
    if url is not None:
        yield url
        return
    with hold(config.data_dir, "a command"), embedded(config) as server:
        yield server.url


def jwt_secret(config: Config) -> str:
    """Return SUPABASE_JWT_SECRET, or the random one that is made once and kept in the folder."""
    if config.jwt_secret:
        return config.jwt_secret
    make_data_dir(config.data_dir)
    path = config.data_dir / "jwt-secret"
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # whole or not at all, and only the first of two at once
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
