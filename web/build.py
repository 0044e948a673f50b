"""Files that are made from files of the checkout: once for each state of those, and found again by its hash."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from web.config import Config

_CACHE = Path(__file__).parent.parent / ".cache"
_KEPT = 5  # states of one kind: pages that are open, and processes of the version before, still ask for older ones
_HASH_LENGTH = 12


def build(config: Config, kind: str, sources: Iterable[Path], make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` fills out of the files `sources`; made already, it is only looked up.

    It lies in `.cache` of the checkout or, where that cannot be written, in BATON_DATA; its name is the hash of the
    sources. Whoever makes the same at the same moment does no harm.
    """
    name = _hash(sources)
    cache = _writable(config)
    folder = cache / kind / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Not beside what is made: whoever looks through that must not meet what another one is just making.
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=cache))
        try:
            make(draft)
            draft.chmod(0o755)
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _forget_old(folder.parent)
    return folder


def _writable(config: Config) -> Path:
    parent = _CACHE if _CACHE.is_dir() else _CACHE.parent
    return _CACHE if os.access(parent, os.W_OK) else config.data_dir / "cache"


def _hash(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources):
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:_HASH_LENGTH]


def _forget_old(parent: Path) -> None:
    made_at = {}
    for each in parent.iterdir():
        with suppress(FileNotFoundError):  # another one has just forgotten it
            made_at[each] = each.stat().st_mtime
    for folder in sorted(made_at, key=lambda each: made_at[each], reverse=True)[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
