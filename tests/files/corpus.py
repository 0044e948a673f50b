"""Files to upload, made here byte by byte: good ones of every type, and bad ones of every kind that we know of."""

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

SCRIPT = b"<script>document.title = 'run'</script>"
PAGE = b"<!DOCTYPE html><html><head>" + SCRIPT + b"</head><body onload=\"document.title = 'run'\">hello</body></html>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" onload="document.title = \'run\'">' + SCRIPT + b"</svg>"


def png(*extra: tuple[bytes, bytes]) -> bytes:
    """Return a picture of one dot, with these chunks more."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    middle = b"".join(chunk(kind, data) for kind, data in extra)
    return b"\x89PNG\r\n\x1a\n" + head + middle + chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + chunk(b"IEND", b"")


def archive(**members: bytes) -> bytes:
    """Return a ZIP; two underscores in a name stand for a slash, one for a dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        for name, content in members.items():
            writer.writestr(name.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


def office(folder: str, part: str) -> bytes:
    """Return a document of Office: its parts' types, its relations, its main part."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        main = f"{folder}/{part}.xml"
        types = f'<Types><Override PartName="/{main}" ContentType="application/x+xml"/></Types>'
        writer.writestr("[Content_Types].xml", types)
        writer.writestr("_rels/.rels", f'<Relationships><Relationship Id="a" Target="{main}"/></Relationships>')
        writer.writestr(main, "<document/>")
    return file.getvalue()


def box(kind: bytes, data: bytes = b"") -> bytes:
    """Return a box of the formats that derive from QuickTime."""
    return struct.pack(">I", 8 + len(data)) + kind + data


def brand(name: bytes, *others: bytes) -> bytes:
    """Return the beginning of such a file."""
    return box(b"ftyp", name + b"\0\0\0\0" + name + b"".join(others)) + box(b"mdat", bytes(16))


def webm() -> bytes:
    """Return the beginning of a file that browsers record."""
    head = bytes.fromhex("4286810142f7810142f2810442f38108428284") + b"webm" + bytes.fromhex("4287810442858102")
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(head)]) + head + b"\x18\x53\x80\x67\x01" + b"\xff" * 7


_TABLE = b"\xff\xdb\x00\x43\x00" + bytes(64)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + _TABLE + b"\xff\xd9"
EXIF_JPEG = b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00*\x00\x00\x00\x08" + _TABLE + b"\xff\xd9"
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90400000000002c00000000010001000002024401003b")
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
WAV = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0D\xac\0\0\x88X\1\0\2\0\x10\0data\4\0\0\0" + bytes(4)
MP3 = (b"\xff\xfb\x90\x00" + bytes(413)) * 3
OGG = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01" + bytes(9)
EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + bytes(50) + b"PE\0\0" + bytes(100)
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
_OFFICE = "application/vnd.openxmlformats-officedocument."


@dataclass(frozen=True)
class Sample:
    """A file as somebody sends it, and what must become of it: its type, or the code of its refusal."""

    id: str
    name: str  # its ending is looked at
    content: bytes
    outcome: str
    declared: str = ""


GOOD = [
    Sample("png", "a.png", png(), "image/png", "image/png"),
    Sample("png-shouted", "A.PNG", png(), "image/png"),
    Sample("png-unnamed", "a", png(), "image/png", "image/png"),
    Sample("jpeg", "a.jpg", JPEG, "image/jpeg", "image/jpeg"),
    Sample("jpeg-of-a-camera", "a.jpeg", EXIF_JPEG, "image/jpeg", "image/jpg"),
    Sample("gif", "a.gif", GIF, "image/gif", "image/gif"),
    Sample("webp", "a.webp", WEBP, "image/webp", "image/webp"),
    Sample("avif", "a.avif", brand(b"avif", b"mif1"), "image/avif", "image/avif"),
    Sample("heic", "a.heic", brand(b"heic", b"mif1"), "image/heic", "image/heic"),
    Sample("heic-of-other-phones", "a.heic", brand(b"mif1", b"heic"), "image/heic", "image/heif"),
    Sample("pdf", "a.pdf", PDF, "application/pdf", "application/pdf"),
    Sample("text", "a.txt", "Grüße\n".encode(), "text/plain", "text/plain;charset=UTF-8"),
    Sample("text-with-mark", "a.txt", b"\xef\xbb\xbfhello", "text/plain"),
    Sample("markdown", "a.md", b"# hello", "text/plain", "text/markdown"),
    Sample("csv", "a.csv", b"a;b\n1;2\n", "text/csv", "text/csv"),
    Sample("csv-of-excel", "a.csv", b"a;b\n1;2\n", "text/csv", "application/vnd.ms-excel"),
    Sample("mp3", "a.mp3", b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + MP3, "audio/mpeg", "audio/mpeg"),
    Sample("mp3-without-tags", "a.mp3", MP3, "audio/mpeg", "audio/mpeg"),
    Sample("mp3-mpeg-2", "a.mp3", (b"\xff\xf3\x84\xc4" + bytes(200)) * 3, "audio/mpeg", "audio/mp3"),
    Sample("ogg", "a.ogg", OGG, "audio/ogg", "audio/ogg"),
    Sample("opus", "a.opus", OGG, "audio/ogg", "audio/ogg;codecs=opus"),
    Sample("wav", "a.wav", WAV, "audio/wav", "audio/x-wav"),
    Sample("m4a", "a.m4a", brand(b"M4A "), "audio/mp4", "audio/x-m4a"),
    Sample("m4a-recorded", "a.m4a", brand(b"isom", b"mp42"), "audio/mp4", "audio/mp4"),
    Sample("weba", "a.weba", webm(), "audio/webm", "audio/webm;codecs=opus"),
    Sample("webm-audio", "a.webm", webm(), "audio/webm", "audio/webm;codecs=opus"),
    Sample("webm", "a.webm", webm(), "video/webm", "video/webm"),
    Sample("mp4", "a.mp4", brand(b"isom", b"iso2avc1mp41"), "video/mp4", "video/mp4"),
    Sample("docx", "a.docx", office("word", "document"), _OFFICE + "wordprocessingml.document"),
    Sample("xlsx", "a.xlsx", office("xl", "workbook"), _OFFICE + "spreadsheetml.sheet"),
    Sample("pptx", "a.pptx", office("ppt", "presentation"), _OFFICE + "presentationml.presentation"),
]

KIND = "InvalidMimeType"
BAD = [
    *(
        Sample(f"svg-{how}-as-{name.rpartition('.')[2]}", name, content, KIND, declared)
        for how, content in {
            "bare": DRAWING,
            "xml": b'<?xml version="1.0"?>' + DRAWING,
            "mark": b"\xef\xbb\xbf" + DRAWING,
            "space": b" \r\n\t" * 400 + DRAWING,
            "comment": b"<!-- a -->" + DRAWING,
            "utf16": (b"\xff\xfe" + DRAWING.decode().encode("utf-16-le")),
            "gzip": gzip.compress(DRAWING, mtime=0),
        }.items()
        for name, declared in (("a.svg", "image/svg+xml"), ("a.png", "image/png"), ("a.txt", "text/plain"), ("a", ""))
    ),
    Sample("html", "a.html", PAGE, KIND, "text/html"),
    Sample("html-as-png", "a.png", PAGE, KIND, "image/png"),
    Sample("html-as-txt", "a.txt", PAGE, KIND, "text/plain"),
    Sample("html-unnamed", "a", PAGE, KIND, "text/html"),
    Sample("html-after-png-magic", "a.png", b"\x89PNG\r\n\x1a\n" + PAGE, KIND, "image/png"),
    Sample("png-with-script", "a.png", png((b"tEXt", b"Comment\0" + SCRIPT)), KIND, "image/png"),
    Sample("png-then-page", "a.png", png() + PAGE, KIND, "image/png"),
    Sample("png-declared-html", "a.png", png(), KIND, "text/html"),
    Sample("gif-with-page", "a.gif", GIF + PAGE, KIND, "image/gif"),
    Sample("mz-as-jpg", "a.jpg", EXE, KIND, "image/jpeg"),
    Sample("mz", "a.exe", EXE, KIND, "application/octet-stream"),
    Sample("mz-unnamed", "a", EXE, KIND, "application/octet-stream"),
    Sample("mz-as-mp4", "a.mp4", b"MZ\x90\x00ftypisom" + bytes(50), KIND, "video/mp4"),
    Sample("elf-as-jpg", "a.jpg", ELF, KIND, "image/jpeg"),
    Sample("elf-as-mp3", "a.mp3", ELF, KIND, "audio/mpeg"),
    Sample("shell-as-png", "a.png", b"#!/bin/sh\nrm -r .\n", KIND, "image/png"),
    Sample("pdf-declared-png", "a.pdf", PDF, KIND, "image/png"),
    Sample("pdf-as-png", "a.png", PDF, KIND, "image/png"),
    Sample("html-then-pdf", "a.pdf", PAGE + PDF, KIND, "application/pdf"),
    *(
        Sample(f"png-named-{e}", f"a.{e}", png(), KIND, "image/png")
        for e in ("pdf", "html", "svg", "exe", "txt", "PHP")
    ),
    Sample("page-of-two-endings", "a.html.png", PAGE, KIND, "image/png"),
    Sample("png-of-two-endings", "a.png.html", png(), KIND, "image/png"),
    Sample("zip", "a.zip", archive(a_txt=b"a"), KIND, "application/zip"),
    Sample("zip-as-docx", "a.docx", archive(a_txt=b"a"), KIND),
    Sample("jar-as-xlsx", "a.xlsx", archive(**{"META-INF__MANIFEST_MF": b"a"}), KIND),
    Sample("docx-as-xlsx", "a.xlsx", office("word", "document"), KIND),
    Sample("broken-docx", "a.docx", office("word", "document")[:60], KIND),
    Sample("binary-as-txt", "a.txt", b"abc\x00\x01", KIND, "text/plain"),
    Sample("latin-1-as-txt", "a.txt", "Grüße".encode("latin-1"), KIND, "text/plain"),
    Sample("empty", "a.png", b"", "InvalidRequest", "image/png"),
]

# Two things at once, of which one is allowed: they come in as that one and are served as that one.
POLYGLOTS = [
    Sample("gif-and-js", "a.gif", b"GIF89a=1;document.title='run';//" + GIF[6:], "image/gif", "image/gif"),
    Sample("pdf-and-html", "a.pdf", PDF + PAGE, "application/pdf", "application/pdf"),
    Sample("png-and-zip", "a.png", png() + archive(a_txt=b"a"), "image/png", "image/png"),
    Sample("jpeg-and-php", "a.jpg", JPEG + b"<?php system($_GET[0]); ?>", "image/jpeg", "image/jpeg"),
    Sample("text-and-html", "a.txt", b"hello " + PAGE, "text/plain", "text/plain"),
    Sample("csv-and-formula", "a.csv", b"=cmd|'/c calc'!A0,1\n", "text/csv", "text/csv"),
    Sample("mp3-and-html", "a.mp3", MP3 + PAGE, "audio/mpeg", "audio/mpeg"),
    Sample("docx-and-html", "a.docx", office("word", "document") + PAGE, _OFFICE + "wordprocessingml.document"),
]
