"""Find stimuli: folders in the published layouts, tables of images, or datasets by name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SIXTEEN, canonical
from synthesight.stimuli.stimulus import Stimulus

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}

DATASETS = (
    "colour", "contrast", "high-pass", "low-pass", "phase-scrambling", "power-equalisation",
    "false-colour", "rotation", "eidolonI", "eidolonII", "eidolonIII", "uniform-noise",
    "sketch", "stylized", "edge", "silhouette", "cue-conflict",
)  # fmt: skip

_CUES = re.compile(r"(?:^|_)([a-z]+)\d+-([a-z]+)\d+\.\w+$", re.IGNORECASE)
_SESSION = re.compile(r"session[-_](\d+)$")


def find_stimuli(source: str | Path, *, data: Path | None = None) -> list[Stimulus]:
    """The stimuli of a file, a folder, or a dataset's name, in a fixed order.

    Parameters
    ----------
    source
        * an image;
        * a folder ``<category>/<image>``, or of images without categories;
        * a folder in the published session layout, ``dnn/session-<n>/<image>``, where the image's
          name is ``<trial>_<experiment>_dnn_<condition>_<category>_<number>_<id>``;
        * a Parquet file with columns ``image`` (encoded bytes) and, where known, ``label`` and
          ``name``;
        * a CSV or Parquet file with columns ``path`` (relative to the file) and ``label``;
        * the name of one of the 17 datasets, found below ``data``.
    data
        Folder of the datasets; None for the environment variable SYNTHESIGHT_DATA.

    Returns
    -------
    Stimuli, with ids that do not depend on where the folder is.

    Raises
    ------
    SynthesightError
        If there is no such file or folder, it cannot be read, or there are no images.
    """
    path = Path(source).expanduser()
    if str(source) in DATASETS and not path.exists():
        path = _dataset(str(source), data)
    try:
        if path.is_file():
            if path.suffix in (".parquet", ".csv"):
                return _from_table(path)
            return [Stimulus(id=path.name, source=path)]
        if not path.is_dir():
            raise SynthesightError(f"There is no file or folder {path}: check the path.")
        found = _from_folder(path)
    except PermissionError as error:
        raise SynthesightError(
            f"{error.filename or path} cannot be read (permission denied): check its permissions."
        ) from None
    if not found:
        raise SynthesightError(
            f"No images in the folder {path}: it must hold <category>/<image> or images, as "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return found


def sample(stimuli: Sequence[Stimulus], *, limit: int, seed: int = 0) -> list[Stimulus]:
    """A random sample with as many of each category as can be, in the given order.

    Parameters
    ----------
    stimuli
        What to choose from.
    limit
        How many to keep.
    seed
        Of the choice, which depends on ids and not on order.
    """
    if limit < 1:
        raise SynthesightError(f"--limit {limit} leaves no stimuli: give 1 or more.")
    table = pl.DataFrame(
        {"id": [s.id for s in stimuli], "category": [s.category for s in stimuli]}
    ).with_row_index()
    shuffled = table.sort("id")[np.random.default_rng(seed).permutation(len(table))]
    kept = (
        shuffled.with_columns(pl.int_range(pl.len()).over("category").alias("turn"))
        .sort("turn", maintain_order=True)
        .head(limit)["index"]
        .sort()
    )
    return [stimuli[index] for index in kept]


def published_id(image: str) -> str:
    """The part of a published image's name that pairs it across observers.

    ``0001_s5n_s01_0_bird_00_bird3-bird2.png`` is ``bird3-bird2.png``; of names that end in an
    ImageNet id, ``…_n02503517_7728.JPEG``, it is the last two parts.
    """
    parts = image.split("_")
    if len(parts) > 1 and parts[-2].startswith("n0"):
        return "_".join(parts[-2:])
    return parts[-1]


def texture_of(image: str) -> str | None:
    """The texture of a cue-conflict image, from a name such as ``cat7-clock3.png``, else None."""
    match = _CUES.search(image)
    return match.group(2) if match else None


def _dataset(name: str, data: Path | None) -> Path:
    root = data or (
        Path(os.environ["SYNTHESIGHT_DATA"]) if "SYNTHESIGHT_DATA" in os.environ else None
    )
    if root is None:
        raise SynthesightError(
            f"The dataset {name} was not found: set SYNTHESIGHT_DATA to the folder of the "
            "datasets, or name the dataset's own folder."
        )
    for place in (root / "stimuli" / name, root / name):
        if place.is_dir():
            return place
    raise SynthesightError(f"The folder {root} has no dataset {name}: put it there as {name}/.")


def _from_folder(folder: Path) -> list[Stimulus]:
    name = folder.resolve().name
    # Only os.walk with onerror reports a folder that cannot be opened; rglob passes over it.
    places = [
        Path(place) / file
        for place, _, files in os.walk(folder, onerror=_raise)
        for file in files
        if not file.startswith(".") and Path(file).suffix.lower() in SUFFIXES
    ]
    return [_placed(path, path.relative_to(folder), name) for path in sorted(places)]


def _raise(error: OSError) -> None:
    raise error


def _placed(path: Path, relative: Path, dataset: str) -> Stimulus:
    session = next((m for part in relative.parts[:-1] if (m := _SESSION.search(part))), None)
    parts = path.name.split("_")
    if session and len(parts) >= 7:
        return Stimulus(
            id=f"{dataset}/{relative.as_posix()}",
            source=path,
            dataset=dataset,
            condition=parts[3],
            category=parts[4],
            session=int(session.group(1)),
        )
    category = relative.parts[-2] if len(relative.parts) > 1 else None
    return Stimulus(
        id=f"{dataset}/{relative.as_posix()}", source=path, dataset=dataset, category=category
    )


def _from_table(path: Path) -> list[Stimulus]:
    try:
        table = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{path} cannot be read as a table: get the file anew.") from error
    dataset = path.stem if path.stem not in ("train", "test") else f"{path.parent.name}-{path.stem}"
    count = len(table)
    if count == 0:
        raise SynthesightError(f"{path} has no rows: give a table of images.")
    label = next((c for c in ("label", "category") if c in table.columns), None)
    labels = [None] * count if label is None else [str(v) for v in table[label].to_list()]
    if "image" in table.columns:
        images = table["image"]
        if isinstance(images.dtype, pl.Struct):  # Hugging Face keeps {bytes, path}
            images = images.struct.field("bytes")
        if images.dtype != pl.Binary:
            raise SynthesightError(f"{path}: the column 'image' must hold encoded images as bytes.")
        sources: list[Path | bytes] = images.to_list()
        width = len(str(count - 1))
        names = (
            table["name"].to_list()
            if "name" in table.columns
            else [f"{i:0{width}}" for i in range(count)]
        )
    elif "path" in table.columns:
        names = table["path"].to_list()
        sources = [path.parent / name for name in names]
    else:
        raise SynthesightError(
            f"{path} needs a column 'image' (encoded bytes) or 'path' (of image files)."
        )
    middle = [""] * count if label is None else [f"{value}/" for value in labels]
    ids = [f"{dataset}/{part}{name}" for part, name in zip(middle, names, strict=True)]
    if len(set(ids)) < count:
        ids = [f"{one}#{row}" for row, one in enumerate(ids)]
    return [
        Stimulus(id=one, source=source, dataset=dataset, category=value)
        for one, source, value in zip(ids, sources, labels, strict=True)
    ]


def in_order(categories: Sequence[str]) -> list[str]:
    """Distinct categories: those among the 16 in their order, then the others by name."""
    rank = {name: place for place, name in enumerate(SIXTEEN)}
    return sorted(set(categories), key=lambda c: (rank.get(canonical(c), len(rank)), c))
