"""What a file is: by its first bytes and the ending of its name, which must agree; never by what is claimed of it."""

import mmap
import re
import zipfile
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
_SHARED = {"audio/webm": (".webm",), "audio/mp4": (".mp4",)}  # endings that belong to films in the first place
_TEXTS = ("text/plain", "text/csv")
# Office's documents are archives: what tells them from others, and from each other, is what is in them.
_PARTS = {_BY_ENDING[ending]: part for ending, part in ((".docx", "word/"), (".xlsx", "xl/"), (".pptx", "ppt/"))}
# Pictures, sounds and films in the boxes of ISO 14496-12: what they are is the first of their brands that is here.
_BOXED = ("image/avif", "image/heic", "audio/mp4", "video/mp4")
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), ("image/avif",)),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), ("image/heic",)),
    **dict.fromkeys((b"M4A ", b"M4B ", b"F4A "), ("audio/mp4",)),
    **dict.fromkeys(
        (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"iso8", b"mp41", b"mp42", b"avc1", b"dash", b"M4V ", b"MSNV"),
        ("video/mp4", "audio/mp4"),
    ),
}

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
    "text/x-markdown": "text/plain",
    "application/csv": "text/csv",
    "application/vnd.ms-excel": "text/csv",  # what Windows calls .csv where Excel is installed
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
    if ending in _SHARED.get(said, ()):
        kind = said
    if kind is None or kind not in possible:
        raise UnknownKindError(f"the file is no {ending[1:]}" if ending else "the file is of no known type")
    if said not in _UNSAID and said != kind:
        raise UnknownKindError(f"the file is {kind}, not {said[:100]}")
    if kind.startswith("image/") and _has_markup(path):
        raise UnknownKindError("the image has a script or a page in it")
    return kind


def fitting(label: str, kind: str) -> str:
    """Return a name for people whose ending is one of this type: what is saved under it opens as what it is."""
    endings = _ENDINGS.get(kind)
    if endings is None or PurePosixPath(label).suffix.lower() in (*endings, *_SHARED.get(kind, ())):
        return label
    return label + endings[0]


def _recognised(path: Path) -> tuple[str, ...]:
    """Return the known types that the first bytes allow, likeliest first."""
    with path.open("rb") as file:
        head = file.read(256)
    try:
        endings = [match.extension for match in puremagic.magic_file(path)]
    except puremagic.PureError:
        endings = []
    kinds = [kind for ending in endings if (kind := _BY_ENDING.get(ending)) and kind not in _BOXED]
    if any(kind in _PARTS for kind in kinds):
        kinds = [kind for kind in kinds if kind not in _PARTS] + _office(path)
    if "video/webm" in kinds:
        kinds.append("audio/webm")
    if _is_mpeg_audio(head):
        kinds.append("audio/mpeg")
    return tuple(dict.fromkeys([*_boxed(head), *kinds]))


def _boxed(head: bytes) -> tuple[str, ...]:
    """Return what the brands in the first box allow; nothing where there is no such box."""
    size = int.from_bytes(head[:4], "big")
    if head[4:8] != b"ftyp" or not 16 <= size <= len(head):
        return ()
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), ())


def _is_mpeg_audio(head: bytes) -> bool:
    """Return whether it begins with a frame of layer III: music without tags."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return False
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    return bit_rate not in (0, 15) and sample_rate != 3


def _office(path: Path) -> list[str]:
    """Return the types of document that an archive holds the parts of."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return []
    if "[Content_Types].xml" not in names:
        return []
    return [kind for kind, part in _PARTS.items() if any(name.startswith(part) for name in names)]


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
