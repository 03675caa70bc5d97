"""Stimuli in a table: encoded images in a Parquet file, or a list of paths."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import polars as pl

from synthesight import sheets
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.panics import no_panic
from synthesight.stimuli.captions import captions_of, one_image_a_row
from synthesight.stimuli.columns import KNOWN, LABELS, Columns, factors_of, sessions
from synthesight.stimuli.formats import SUFFIXES
from synthesight.stimuli.images import escaped
from synthesight.stimuli.stimulus import Factor, Source, Stimulus

PARQUET = (".parquet", ".pq")
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")  # of Hugging Face's ImageFolder

_SHARD = re.compile(r"(?P<split>[\w.]+)-\d+-of-\d+\.parquet$")
ENDS = ("", ".png", ".jpg", ".jpeg", ".JPEG", ".JPG")  # that a list of ids may leave out
_SAMPLE = 100  # paths that tell where the images are


def from_table(
    path: Path, roots: Sequence[Path] = (), *, dataset: str | None = None, look: bool = True
) -> list[Stimulus]:
    """Return the stimuli of a Parquet file or of a list as text; images are kept encoded.

    A list is separated by commas, semicolons, tabs or bars, or is JSON or JSON lines.

    Parameters
    ----------
    path
        With a column ``image`` (encoded bytes, or Hugging Face's struct of bytes and path), or
        ``path`` (of image files), and, where known, ``label``, ``name``, ``condition``,
        ``session`` and ``dataset``; all others are factors. Columns may have the other usual
        names, such as ``file_name`` and ``class``, in any case. Labels are kept as they stand,
        except that Hugging Face's numbers of classes become the names that the file has for them;
        an empty one is not known.
    roots
        Folders that paths may be relative to, beside the table's own.
    dataset
        Name of their dataset; None for the file's.
    look
        Whether to look for the images that a list names, which may be on no disk of this machine.

    Raises
    ------
    PermissionError
        If the file may not be read.
    SynthesightError
        If it is no such table, or none of its images is there.
    """
    if dataset is None:
        dataset = path.stem
        if path.stem in ("train", "test"):
            dataset = f"{path.parent.name}-{path.stem}"
    return _rows(_read(path), dataset, path, (path.parent, *roots) if look else ())


def from_shards(files: Sequence[Path], folder: Path) -> list[Stimulus]:
    """Return the stimuli of a folder's Parquet files: one split in Hugging Face's layout."""
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
    return _rows(table, f"{Path(os.path.abspath(folder)).name}-{splits[0]}", folder, [folder])  # noqa: PTH100


def placed(
    dataset: str,
    labels: Sequence[str | None],
    names: Sequence[str | None],
    sources: Sequence[Source],
    *,
    datasets: Sequence[str | None] = (),
    conditions: Sequence[str | None] = (),
    sessions: Sequence[int] = (),
    factors: Sequence[Mapping[str, Factor]] = (),
) -> list[Stimulus]:
    """Return stimuli with the ids ``<dataset>/<label>/<name>``.

    Without a name, or where two would have one id, the row's number tells them apart.
    """
    count = len(sources)
    width = len(str(count - 1))
    rows = [f"{row:0{width}}" for row in range(count)]
    of = [one or dataset for one in datasets] if datasets else [dataset] * count
    ids = [
        escaped("/".join([one, *([label] if label else []), name or row]))
        for one, label, name, row in zip(of, labels, names, rows, strict=True)
    ]
    if len(set(ids)) < count:
        ids = [f"{one}#{row}" for one, row in zip(ids, rows, strict=True)]
    return [
        Stimulus(*each)
        for each in zip(
            ids,
            sources,
            of,
            [one or "0" for one in conditions] if conditions else ["0"] * count,
            labels,
            sessions or [1] * count,
            factors or [{} for _ in range(count)],
            strict=True,
        )
    ]


def file_names(paths: Sequence[str | None]) -> list[str | None]:
    """Return the files' names, which pair images and may tell their cues."""
    return [Path(path).name if path else None for path in paths]


def _rows(table: pl.DataFrame, dataset: str, path: Path, roots: Sequence[Path]) -> list[Stimulus]:
    if table.is_empty():
        raise SynthesightError(f"{path} has no rows: give a table of images.")
    captions = captions_of(one_image_a_row(table), path)
    if captions is not None:
        table = captions.table
    columns = Columns.of(table)
    sources: Sequence[Source]
    if columns.encoded:
        images = table[columns.encoded]
        names = _strings(table, columns.name, path)
        if isinstance(images.dtype, pl.Struct):
            inside = images.struct.unnest()
            if "path" in inside.columns and columns.name is None:
                names = file_names(_strings(inside, "path", path))
            images = inside["bytes"]
        # A missing image fails as an empty one, when opened.
        sources = images.fill_null(b"").to_list()
    elif columns.path:
        listed = [one or "" for one in _strings(table, columns.path, path)]
        sources, names = _images(listed, path, roots)
    else:
        raise SynthesightError(
            f"{path} needs a column 'image' (encoded bytes) or 'path' (of image files); it has "
            f"{', '.join(table.columns)}."
        )
    factors, left_out = factors_of(table, columns.factors)
    if left_out:
        warnings.warn(
            f"{path}: the columns {', '.join(left_out)} are left out: a factor is text, numbers "
            "or truth values.",
            SynthesightWarning,
            stacklevel=5,
        )
    if columns.label is None and columns.factors and captions is None:
        warnings.warn(
            f"{path}: no column has the name of labels, such as label, category or class: "
            f"{', '.join(columns.factors)} are kept as factors, and no category is known.",
            SynthesightWarning,
            stacklevel=5,
        )
    stimuli = placed(
        dataset,
        _strings(table, columns.label, path),
        names,
        sources,
        datasets=_strings(table, columns.dataset, path) if columns.dataset else (),
        conditions=_strings(table, columns.condition, path) if columns.condition else (),
        sessions=sessions(table[columns.session] if columns.session else None, len(table), path),
        factors=factors,
    )
    if captions is None:
        return stimuli
    return [
        replace(stimulus, captions=choices, category=right)
        for stimulus, choices, right in zip(stimuli, captions.choices, captions.right, strict=True)
    ]


def _images(
    listed: list[str], path: Path, roots: Sequence[Path]
) -> tuple[list[Path], list[str | None]]:
    """Return the images that a list names, and their names without what differs by machine."""
    step = max(1, len(listed) // _SAMPLE)
    some = [one for one in listed[::step] if one]
    # As they stand, or as Windows and tables of ids without suffixes have them.
    for windows, end in ((False, ""), *((True, end) for end in ENDS)):

        def spelled(one: str, windows: bool = windows, end: str = end) -> str:
            return PureWindowsPath(one).as_posix() + end if windows else one

        for folder in roots:
            if any(_exists(folder / spelled(one)) for one in some):
                found = [spelled(one) for one in listed]
                return [folder / one for one in found], [_portable(one, folder) for one in found]
    if not roots:
        found = [PureWindowsPath(one).as_posix() for one in listed]
        folder = path.parent
        return [folder / one for one in found], [_portable(one, folder) for one in found]
    if not some:
        raise SynthesightError(f"{path} names no image: give a column of paths.")
    raise SynthesightError(
        f"None of the images that {path} names is there, such as {escaped(some[0][:200])}: put "
        f"the list where its paths begin."
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() not in PARQUET:
            return _with_header(sheets.read_sheet(path, KNOWN).table)
        with no_panic():
            table = pl.read_parquet(path, glob=False)
        return _with_class_names(table, path)
    except PermissionError:
        raise
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{path} cannot be read as a table: get the file anew.") from error


def _with_header(table: pl.DataFrame) -> pl.DataFrame:
    """Give names to the columns of a list that has no header, whose first row names an image."""
    first = table.columns
    places = [n for n, one in enumerate(first) if Path(one).suffix.lower() in SUFFIXES]
    if not places or {sheets.plain(one) for one in first} & KNOWN:
        return table
    names = [f"column {n}" for n in range(1, len(first) + 1)]
    names[places[0]] = "path"
    if len(first) > 1:
        names[1 if places[0] == 0 else 0] = "label"
    row = pl.DataFrame([first], dict.fromkeys(names, pl.String), orient="row")
    return pl.concat([row, table.rename(dict(zip(first, names, strict=True)))])


def _with_class_names(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Name the labels where Hugging Face's record in the file's metadata has names for them."""
    try:
        record = json.loads(pl.read_parquet_metadata(path).get("huggingface", "{}"))
        features = record["info"]["features"]
        names = {
            column: features[column]["names"]
            for column in table.columns
            if sheets.plain(column) in LABELS and "names" in (features.get(column) or {})
        }
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
