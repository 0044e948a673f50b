"""What a file is: by its first bytes and the ending of its name, which must agree; never by what is claimed of it."""

import mmap
import re
from pathlib import Path, PurePosixPath

import puremagic

# Endings by type, the usual one first. What is not here is nothing that a chat needs.
_ENDINGS = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "image/avif": (".avif",),
    "image/heic": (".heic", ".heif"),
    "application/pdf": (".pdf",),
    "text/plain": (".txt", ".log", ".md"),
    "text/csv": (".csv",),
    "audio/mpeg": (".mp3", ".mpga"),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/wav": (".wav",),
    "audio/mp4": (".m4a", ".f4a"),
    "audio/webm": (".weba",),
    "video/mp4": (".mp4", ".m4v"),
    "video/webm": (".webm",),
    "application/zip": (".zip",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (".xlsx",),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": (".pptx",),
}
_BY_ENDING = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings}
_TEXTS = ("text/plain", "text/csv")
# Types that share a beginning: what the bytes allow, besides what they are recognised as.
_SAME_BEGINNING = {"video/webm": "audio/webm", "video/mp4": "audio/mp4"}

# What clients send for want of something better, and other names of the same.
_UNSAID = ("", "text/plain", "application/octet-stream", "binary/octet-stream")
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/heif": "image/heic",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "application/ogg": "audio/ogg",
    "text/markdown": "text/plain",
    "application/x-zip-compressed": "application/zip",
}

# An image has no business with these. Each is long enough not to occur in ten megabytes of pixels by chance.
_MARKUP = re.compile(rb"<script|<!doctype|<iframe|<html[\s>]|javascript:", re.IGNORECASE)


class UnknownKindError(ValueError):
    """The file is nothing that is known here, or not what its name or its declared type says; the text says which."""


def kind_of(path: Path, name: str, declared: str) -> str:
    """Return the MIME type of a file that is not empty.

    Args:
        path: Its bytes.
        name: What it is called; the ending, if there is one, must fit the bytes.
        declared: The type that the client says; believed only where name and bytes leave a choice.

    Raises:
        UnknownKindError: It is of no type known here, or bytes, name and declared type contradict each other.
    """
    ending = PurePosixPath(name).suffix.lower()
    said = declared.partition(";")[0].strip().lower()
    said = _ALIASES.get(said, said)
    wanted = _BY_ENDING.get(ending)
    if ending and wanted is None:
        raise UnknownKindError(f"files that end in {ending[:20]} are not accepted")
    possible = _recognised(path)
    if (not ending or wanted in _TEXTS) and _is_text(path):
        possible = (*possible, *_TEXTS)
    kind = wanted or (said if said in possible else next(iter(possible), None))
    if kind == "video/webm" and said == "audio/webm":
        kind = said
    if kind is None or kind not in possible:
        raise UnknownKindError(f"the file is no {ending[1:]}" if ending else "the file is of no known type")
    if said not in _UNSAID and said != kind:
        raise UnknownKindError(f"the file is {kind}, not {said[:100]}")
    if kind.startswith("image/") and _has_markup(path):
        raise UnknownKindError("the image has a script or a page in it")
    return kind


def _recognised(path: Path) -> tuple[str, ...]:
    """Return the known types that the first bytes allow, likeliest first."""
    try:
        endings = [match.extension for match in puremagic.magic_file(path)]
    except puremagic.PureError:
        return ()
    kinds = [_BY_ENDING[ending] for ending in endings if ending in _BY_ENDING]
    return tuple(dict.fromkeys([*kinds, *(_SAME_BEGINNING[kind] for kind in kinds if kind in _SAME_BEGINNING)]))


def _is_text(path: Path) -> bool:
    """Return whether it is UTF-8 without control characters, and does not begin as a page or a drawing would."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return not text.lstrip().startswith("<") and not re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)


def _has_markup(path: Path) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _MARKUP.search(content) is not None
