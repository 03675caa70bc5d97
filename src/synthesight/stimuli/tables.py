"""Stimuli in a table: encoded images in a Parquet file, or a list of paths."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Source, Stimulus

LABELS = ("label", "category")

_SHARD = re.compile(r"(?P<split>[\w.]+)-\d+-of-\d+\.parquet$")


def from_table(path: Path) -> list[Stimulus]:
    """Return the stimuli of a Parquet or CSV file; images are kept encoded.

    Parameters
    ----------
    path
        With a column ``image`` (encoded bytes, or Hugging Face's struct of bytes and path), or
        ``path`` (of image files, relative to the table's folder), and, where known, ``label`` (or
        ``category``) and ``name``. Labels are kept as they stand, except that Hugging Face's
        numbers of classes become the names that the file has for them; an empty one is not known.

    Raises
    ------
    PermissionError
        If the file may not be read.
    SynthesightError
        If it is no such table.
    """
    dataset = path.stem if path.stem not in ("train", "test") else f"{path.parent.name}-{path.stem}"
    return _rows(_read(path), dataset, path)


def from_shards(files: Sequence[Path], folder: Path) -> list[Stimulus]:
    """Return the stimuli of the Parquet files below a folder: one split in Hugging Face's layout.

    Raises
    ------
    SynthesightError
        If they are of several splits, are no such tables, or differ in their columns.
    """
    splits = sorted({m["split"] if (m := _SHARD.match(f.name)) else f.stem for f in files})
    if len(splits) > 1:
        raise SynthesightError(
            f"{folder} has the splits {', '.join(splits)}: name the files of one, or "
            f"hf:{folder}:{splits[0]}."
        )
    try:
        table = pl.concat([_read(file) for file in sorted(files)])
    except pl.exceptions.PolarsError:
        raise SynthesightError(
            f"The Parquet files in {folder} differ in their columns: name one of them."
        ) from None
    return _rows(table, f"{Path(os.path.abspath(folder)).name}-{splits[0]}", folder)  # noqa: PTH100


def from_rows(rows: Sequence[Mapping[str, Any]], dataset: str = "images") -> list[Stimulus]:
    """Return the stimuli of rows, as a Hugging Face dataset has them.

    Parameters
    ----------
    rows
        Mappings with ``image`` (a Pillow image, encoded bytes, a path, or a mapping of ``bytes``
        and ``path``) and, where known, ``label`` (or ``category``) and ``name``.
    dataset
        Name of their dataset.

    Raises
    ------
    SynthesightError
        If a row has no image.
    """
    for number, row in enumerate(rows):
        if row.get("image") is None:
            raise SynthesightError(
                f"Row {number} has no 'image', only {', '.join(row)}: give each row one."
            )
    labels = [next((row[key] for key in LABELS if row.get(key) is not None), None) for row in rows]
    return placed(
        dataset,
        [None if label in (None, "") else str(label) for label in labels],
        [row.get("name") for row in rows],
        [row["image"] for row in rows],
    )


def placed(
    dataset: str,
    labels: Sequence[str | None],
    names: Sequence[str | None],
    sources: Sequence[Source],
) -> list[Stimulus]:
    """Return stimuli with the ids ``<dataset>/<label>/<name>``.

    Without a name, or where two would have one id, the row's number tells them apart.
    """
    width = len(str(len(sources) - 1))
    rows = [f"{row:0{width}}" for row in range(len(sources))]
    ids = [
        "/".join([dataset, *([label] if label else []), name or row])
        for label, name, row in zip(labels, names, rows, strict=True)
    ]
    if len(set(ids)) < len(ids):
        ids = [f"{one}#{row}" for one, row in zip(ids, rows, strict=True)]
    return [
        Stimulus(id=one, source=source, dataset=dataset, category=label)
        for one, source, label in zip(ids, sources, labels, strict=True)
    ]


def file_names(paths: Sequence[str | None]) -> list[str | None]:
    """Return the files' names, which pair images and may tell their cues."""
    return [Path(path).name if path else None for path in paths]


def _rows(table: pl.DataFrame, dataset: str, path: Path) -> list[Stimulus]:
    if table.is_empty():
        raise SynthesightError(f"{path} has no rows: give a table of images.")
    labels = _strings(table, next((c for c in LABELS if c in table.columns), None), path)
    names = _strings(table, "name" if "name" in table.columns else None, path)
    sources: list[Source]
    if "image" in table.columns:
        images = table["image"]
        if isinstance(images.dtype, pl.Struct):
            inside = images.struct.unnest()
            if "path" in inside.columns and "name" not in table.columns:
                names = file_names(_strings(inside, "path", path))
            images = inside["bytes"] if "bytes" in inside.columns else images
        if images.dtype != pl.Binary:
            raise SynthesightError(f"{path}: the column 'image' must hold encoded images as bytes.")
        # A missing image fails as an empty one, when opened.
        sources = images.fill_null(b"").to_list()
    elif "path" in table.columns:
        listed = [one or "" for one in _strings(table, "path", path)]
        sources = [path.parent / one for one in listed]
        names = [_portable(one, path.parent) for one in listed]
    else:
        raise SynthesightError(
            f"{path} needs a column 'image' (encoded bytes) or 'path' (of image files); it has "
            f"{', '.join(table.columns)}."
        )
    return placed(dataset, labels, names, sources)


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".csv":
            # As text: the label 01 is not the label 1.
            return pl.read_csv(path, infer_schema=False, glob=False)
        return _with_class_names(pl.read_parquet(path, glob=False), path)
    except PermissionError:
        raise
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{path} cannot be read as a table: get the file anew.") from error


def _with_class_names(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Name the labels where Hugging Face's record in the file's metadata has names for them."""
    try:
        record = json.loads(pl.read_parquet_metadata(path).get("huggingface", "{}"))
        features = record["info"]["features"]
        names = {column: features[column]["names"] for column in LABELS if column in features}
    except (KeyError, TypeError, ValueError):
        return table
    return table.with_columns(
        # A hidden label of a test split is -1.
        pl.col(column).replace_strict(
            range(len(classes)), classes, default=None, return_dtype=pl.String
        )
        for column, classes in names.items()
        if table[column].dtype.is_integer()
    )


def _strings(table: pl.DataFrame, column: str | None, path: Path) -> list[str | None]:
    """Return a column as text; None for what is missing or empty, or if there is no column."""
    if column is None:
        return [None] * len(table)
    try:
        return table[column].cast(pl.String).replace("", None).to_list()
    except pl.exceptions.PolarsError:
        raise SynthesightError(
            f"{path}: the column {column!r} must hold text or numbers, not {table[column].dtype}."
        ) from None


def _portable(listed: str, folder: Path) -> str:
    """Return a listed path without what differs from one machine to the next."""
    if Path(listed).is_absolute():
        inside = Path(listed).is_relative_to(folder.absolute())
        return (
            Path(listed).relative_to(folder.absolute()).as_posix() if inside else Path(listed).name
        )
    return Path(os.path.normpath(listed)).as_posix() if listed else ""
