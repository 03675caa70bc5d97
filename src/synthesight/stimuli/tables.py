"""Stimuli in a table: encoded images in a Parquet file, or a list of paths."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus


def from_table(path: Path) -> list[Stimulus]:
    """The stimuli of a Parquet or CSV file; images are kept encoded.

    Parameters
    ----------
    path
        With a column ``image`` (encoded bytes, or Hugging Face's struct of bytes and path), or
        ``path`` (of image files, relative to the table's folder), and, where known, ``label`` (or
        ``category``) and ``name``. Labels are kept as they stand; an empty one is not known.

    Raises
    ------
    PermissionError
        If the file may not be read.
    SynthesightError
        If it is no such table.
    """
    table = _read(path)
    if table.is_empty():
        raise SynthesightError(f"{path} has no rows: give a table of images.")
    dataset = path.stem if path.stem not in ("train", "test") else f"{path.parent.name}-{path.stem}"
    label = next((c for c in ("label", "category") if c in table.columns), None)
    labels = _strings(table, label)
    rows = _row_names(len(table))
    sources: list[Path | bytes]
    if "image" in table.columns:
        sources = _encoded(table["image"], path)
        names = _strings(table, "name" if "name" in table.columns else None)
    elif "path" in table.columns:
        listed = [one or "" for one in _strings(table, "path")]
        sources = [path.parent / one for one in listed]
        names = [_portable(one, path.parent) for one in listed]
    else:
        raise SynthesightError(
            f"{path} needs a column 'image' (encoded bytes) or 'path' (of image files)."
        )
    ids = [
        "/".join([dataset, *([category] if category else []), name or row])
        for category, name, row in zip(labels, names, rows, strict=True)
    ]
    if len(set(ids)) < len(ids):
        ids = [f"{one}#{row}" for one, row in zip(ids, rows, strict=True)]
    return [
        Stimulus(id=one, source=source, dataset=dataset, category=category)
        for one, source, category in zip(ids, sources, labels, strict=True)
    ]


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".csv":
            return pl.read_csv(path, infer_schema=False)  # text: the label 01 is not the label 1
        return pl.read_parquet(path)
    except PermissionError:
        raise
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{path} cannot be read as a table: get the file anew.") from error


def _strings(table: pl.DataFrame, column: str | None) -> list[str | None]:
    """A column as text, with None for what is missing or empty; None for every row without it."""
    if column is None:
        return [None] * len(table)
    return table[column].cast(pl.String).replace("", None).to_list()


def _row_names(count: int) -> list[str]:
    width = len(str(count - 1))
    return [f"{row:0{width}}" for row in range(count)]


def _encoded(images: pl.Series, path: Path) -> list[Path | bytes]:
    if isinstance(images.dtype, pl.Struct) and "bytes" in [f.name for f in images.dtype.fields]:
        images = images.struct.field("bytes")
    if images.dtype != pl.Binary:
        raise SynthesightError(f"{path}: the column 'image' must hold encoded images as bytes.")
    return images.fill_null(b"").to_list()  # a missing image fails as an empty one, when opened


def _portable(listed: str, folder: Path) -> str:
    """A listed path without what differs from one machine to the next."""
    if Path(listed).is_absolute():
        inside = Path(listed).is_relative_to(folder.absolute())
        return (
            Path(listed).relative_to(folder.absolute()).as_posix() if inside else Path(listed).name
        )
    return Path(os.path.normpath(listed)).as_posix() if listed else ""
