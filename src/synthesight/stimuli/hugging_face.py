"""Stimuli in image datasets of the package `datasets`: saved on disk, or by name on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl

from synthesight.errors import SynthesightError, first_line
from synthesight.stimuli.columns import factors_of
from synthesight.stimuli.stimulus import Stimulus, encoded_image
from synthesight.stimuli.tables import file_names, placed

PREFIX = "hf:"
SAVED = ("dataset_dict.json", "state.json")  # of `save_to_disk`: several splits, or one


def is_saved(folder: Path) -> bool:
    """Return whether ``datasets.save_to_disk`` wrote a folder."""
    return any((folder / name).is_file() for name in SAVED)


def is_dataset(source: Any) -> bool:
    """Return whether an object is a dataset of the package `datasets`, with rows by number."""
    return hasattr(source, "features") and hasattr(source, "select_columns")


def from_dataset(table: Any) -> list[Stimulus]:
    """Return the stimuli of a dataset object."""
    if not hasattr(table, "__len__"):
        raise SynthesightError(
            "A streamed dataset has no rows by number: load it with streaming=False."
        )
    name = "-".join(str(part) for part in (table.info.dataset_name, table.split) if part)
    return _stimuli(_package(), table, name or "images", name or "The dataset")


def from_saved(folder: Path) -> list[Stimulus]:
    """Return the stimuli of a folder that ``save_to_disk`` wrote."""
    package = _package()
    found = _try(package.load_from_disk, str(folder), called=str(folder))
    if isinstance(found, dict):
        if len(found) > 1:
            raise SynthesightError(
                f"{folder} has the splits {', '.join(found)}: name one, such as "
                f"{folder / next(iter(found))}."
            )
        ((split, found),) = found.items()
        return _stimuli(package, found, f"{folder.name}-{split}", str(folder))
    inside = (folder.parent / SAVED[0]).is_file()
    name = f"{folder.parent.name}-{folder.name}" if inside else folder.name
    return _stimuli(package, found, name, str(folder))


def from_hub(source: str) -> list[Stimulus]:
    """Return the stimuli of ``hf:owner/name[:split]``, downloaded if need be, or ``hf:FOLDER``."""
    package = _package()
    name, _, split = source.removeprefix(PREFIX).partition(":")
    if is_saved(Path(name)):
        return from_saved(Path(name, split))
    splits = _try(package.get_dataset_split_names, name, called=source)
    if split not in splits and (split or len(splits) > 1):
        raise SynthesightError(
            f"{source} has the splits {', '.join(splits)}: name one, such as "
            f"{PREFIX}{name}:{splits[0]}."
        )
    split = split or splits[0]
    found = _try(partial(package.load_dataset, split=split), name, called=source)
    return _stimuli(package, found, f"{Path(name).name}-{split}", source)


def _stimuli(package: ModuleType, table: Any, dataset: str, called: str) -> list[Stimulus]:
    """Return a stimulus for each row; its image is read from disk when it is opened."""
    features = dict(table.features)
    images = [name for name, kind in features.items() if isinstance(kind, package.Image)]
    if not images or not len(table):
        raise SynthesightError(
            f"{called} has no images: choose a dataset with rows and a column of images."
        )
    column = "image" if "image" in images else images[0]
    classes = [name for name, kind in features.items() if isinstance(kind, package.ClassLabel)]
    label = next((name for name in ("label", "category", *classes) if name in features), None)
    encoded = table.select_columns([column]).cast_column(column, package.Image(decode=False))
    named = "name" if "name" in features else None
    others = [
        name
        for name, kind in features.items()
        if name not in (column, label, named)
        and isinstance(kind, package.Value | package.ClassLabel)
    ]
    factors, _ = factors_of(_frame(table, others), others)
    return placed(
        dataset,
        _names(table, label),
        # Flat columns, so that the images beside the paths are not read.
        _names(table, named) if named else file_names(encoded.flatten()[f"{column}.path"]),
        [_Row(encoded, column, row) for row in range(len(table))],
        factors=factors,
    )


@dataclass(frozen=True, eq=False)
class _Row:
    """Read the image of a row when it is opened, in this process or another."""

    table: Any
    column: str
    row: int

    def __call__(self) -> Path | bytes:
        return encoded_image(self.table[self.row][self.column] or {})


def _frame(table: Any, columns: list[str]) -> pl.DataFrame:
    """Return columns of a dataset, with the names of classes."""
    classes = {name for name in columns if getattr(table.features[name], "names", None)}
    return pl.DataFrame(
        {name: _names(table, name) if name in classes else list(table[name]) for name in columns},
        strict=False,
    )


def _names(table: Any, label: str | None) -> list[str | None]:
    if label is None:
        return [None] * len(table)
    names = getattr(table.features[label], "names", None)
    values = table[label]
    if names is None:
        return [None if value in (None, "") else str(value) for value in values]
    # A hidden label of a test split is -1.
    return [names[value] if value is not None and value >= 0 else None for value in values]


def _package() -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise SynthesightError(
            "Hugging Face datasets need the package datasets: pip install 'synthesight[hf]'."
        ) from None
    return datasets


def _try(open_it: Callable[[str], Any], name: str, *, called: str) -> Any:
    try:
        return open_it(name)
    except Exception as error:  # What it raises depends on the network, the Hub and the files.
        raise SynthesightError(
            f"{called} cannot be opened as a dataset: check the name ({first_line(error)})."
        ) from None
