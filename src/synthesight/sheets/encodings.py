"""Find out the encoding of a file of text, and open it."""

from __future__ import annotations

import codecs
import io
from contextlib import suppress
from pathlib import Path

from synthesight.errors import SynthesightError

HEAD = 2**16  # bytes that tell the separator
CHUNK = 2**20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a"))
_UNDEFINED = frozenset(b"\x81\x8d\x8f\x90\x9d")  # in Windows-1252
_OTHERS = ((b"PK\x03\x04", "an Excel workbook or a zip archive"), (b"\xd0\xcf\x11\xe0", "Excel's"))


def encoding_of(path: Path) -> str:
    """Return the encoding of a file of text; the whole file is looked at, piece by piece."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        if other := next((what for start, what in _OTHERS if head.startswith(start)), None):
            raise no_text(path, other)
        if bom := next((name for start, name in _BOMS if head.startswith(start)), None):
            return bom
        if b"\0" in head:
            # In UTF-16, every other byte of Latin letters is 0.
            halves = [head[start::2].count(0) / max(1, len(head) // 2) for start in (0, 1)]
            if max(halves) < 0.4 or min(halves) > 0.1:
                raise no_text(path, "a binary file")
            return "utf-16-be" if halves[0] > halves[1] else "utf-16-le"
        if len(head.translate(None, _CONTROLS)) < len(head) * 0.98:
            raise no_text(path, "a binary file")
        file.seek(0)
        decoder, defined = codecs.getincrementaldecoder("utf-8")(), True
        utf8 = True
        while chunk := file.read(CHUNK):
            if b"\0" in chunk:
                raise no_text(path, "a binary file")
            if utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    utf8 = False
            if not utf8 and not _UNDEFINED.isdisjoint(chunk):
                defined = False
    if utf8:
        with suppress(UnicodeDecodeError):
            decoder.decode(b"", final=True)
            return "utf-8"
    return "cp1252" if defined else "latin-1"


def no_text(path: Path, what: str) -> SynthesightError:
    return SynthesightError(
        f"{path} cannot be read as CSV: it is {what}, not text; save the table as CSV."
    )


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file as text; every kind of line end becomes a line feed."""
    return path.open(encoding=encoding)
