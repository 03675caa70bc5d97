"""Tables that commands write: a file's suffix says of what kind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    import polars as pl

TABLES = (".csv", ".parquet", ".json", ".jsonl")
FIGURES = (".svg", ".png", ".pdf")


def check_kind(name: str, path: Path | None, kinds: tuple[str, ...] = TABLES) -> None:
    """Refuse kinds of files that are not written, before the work and not after it."""
    if path is not None and path.suffix.lower() not in kinds:
        raise SynthesightError(
            f"`{name}={str(path)!r}` is of no kind that is written here: end it in "
            f"{', '.join(kinds[:-1])} or {kinds[-1]}."
        )


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, as its suffix says."""
    from synthesight import encoding, files

    suffix, buffer = path.suffix.lower(), io.BytesIO()
    if suffix == ".csv":
        buffer.write(encoding.csv(table).encode())
    else:
        kind = {".parquet": "parquet", ".json": "json", ".jsonl": "ndjson"}[suffix]
        getattr(table, f"write_{kind}")(buffer)
    with files.writing(path):
        files.make_folder(path.parent)
        files.write(path, buffer.getvalue())
