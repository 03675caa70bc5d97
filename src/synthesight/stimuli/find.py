"""Find stimuli: folders in the published layouts, tables of images, or datasets by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from glob import glob
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli import hugging_face, remote
from synthesight.stimuli.arrays import as_stimuli
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.datasets.local import dataset_folder
from synthesight.stimuli.names import Shown, session_of
from synthesight.stimuli.stimulus import Source, Stimulus
from synthesight.stimuli.tables import from_rows, from_shards, from_table

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


def find_stimuli(source: Any, *, data: str | Path | None = None) -> list[Stimulus]:
    """Return the stimuli of a file, a folder, a named dataset, or several of these.

    No image is decoded: one that cannot be read fails when it is opened. Hidden files and
    folders, and files without the suffix of an image, are passed over.

    Parameters
    ----------
    source
        * an image, or a pattern such as ``"photos/*.jpg"``;
        * a folder ``<category>/<image>``, or of images without categories;
        * a folder in the published session layout, ``dnn/session-<n>/<image>``, where the image's
          name is ``<trial>_<experiment>_dnn_<condition>_<category>_<number>_<image>``;
        * a Parquet file with columns ``image`` (encoded bytes) and, where known, ``label`` and
          ``name``;
        * a CSV or Parquet file with columns ``path`` (relative to the file) and ``label``;
        * a folder that ``datasets.save_to_disk`` wrote, or one of Parquet files, in Hugging Face's
          layout;
        * ``hf:owner/name[:split]``, a dataset on the Hugging Face Hub, or ``hf:FOLDER[:split]``;
        * a Hugging Face dataset, or a list of its rows;
        * a Pillow image, bytes or an array (:func:`~synthesight.stimuli.arrays.as_stimuli`);
        * the name of a :func:`~synthesight.stimuli.datasets.dataset`, found below ``data`` or
          downloaded;
        * a :class:`Stimulus`, which is returned as it is;
        * a list of such sources.
    data
        Folder of the datasets; None for the environment variable SYNTHESIGHT_DATA, else the user's
        cache.

    Returns
    -------
    Stimuli, with ids that do not depend on where the folder is; those of a folder sorted by id.

    Raises
    ------
    SynthesightError
        If there is no such file or folder, it cannot be read, or there are no images.

    Examples
    --------
    >>> find_stimuli([Stimulus("cat1.png", b"...", category="cat")])[0].category
    'cat'
    """
    if isinstance(source, str | Path):
        return _from_text(str(source), data)
    if isinstance(source, Stimulus):
        return [source]
    if hugging_face.is_dataset(source):
        return hugging_face.from_dataset(source)
    if isinstance(source, bytes | Image.Image) or hasattr(source, "ndim"):
        return as_stimuli(source)
    if not isinstance(source, Iterable):
        raise SynthesightError(
            f"A {type(source).__name__} is no source of stimuli: give a path, the name of a "
            "dataset, stimuli, or a list of them."
        )
    sources = [source] if isinstance(source, Mapping) else list(source)
    if sources and all(isinstance(one, Mapping) for one in sources):
        return from_rows(sources)
    return [stimulus for one in sources for stimulus in find_stimuli(one, data=data)]


def _from_text(source: str, data: str | Path | None) -> list[Stimulus]:
    if files.is_remote(source):
        return _from_store(files.as_path(source), data)
    if source.startswith(hugging_face.PREFIX):
        return hugging_face.from_hub(source)
    if not source:
        raise SynthesightError("A path is empty: name an image, a folder or a dataset.")
    path = Path(source).expanduser()
    try:
        if source in datasets() and not path.exists():
            path = dataset_folder(source, data)
        if source.startswith(("http://", "https://")):
            raise SynthesightError(f"{source} is an address: download it, and give the file.")
        if not path.exists() and (matches := sorted(glob(str(path)))):  # noqa: PTH207
            return [stimulus for match in matches for stimulus in _from_text(match, data)]
        if path.is_file():
            if path.suffix.lower() in (".parquet", ".csv"):
                return from_table(path)
            return [Stimulus(id=path.name, source=path)]
        if not path.is_dir():
            near = get_close_matches(source.lower(), datasets(), n=1, cutoff=0.7)
            hint = f"did you mean the dataset {near[0]}?" if near else "check the path."
            raise SynthesightError(f"There is no file or folder {path}: {hint}")
        if hugging_face.is_saved(path):
            return hugging_face.from_saved(path)
        found = _from_folder(path)
        if not found and (shards := list(path.rglob("*.parquet"))):
            return from_shards(shards, path)
    except PermissionError as error:
        raise SynthesightError(
            f"{error.filename or path} cannot be read (permission denied): check its permissions."
        ) from None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise SynthesightError(f"{path} cannot be read ({reason}): check the path.") from None
    if not found:
        raise SynthesightError(
            f"No images in the folder {path}: it must hold <category>/<image> or images, as "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return found


def sample(
    stimuli: Sequence[Stimulus],
    *,
    limit: int | None = None,
    per_category: int | None = None,
    seed: int = 0,
) -> list[Stimulus]:
    """Return a random sample with as many of each category as can be, in the given order.

    Parameters
    ----------
    stimuli
        Stimuli to choose from.
    limit
        Number to keep in all; None for no limit.
    per_category
        Number to keep of each category, or all of one that has fewer; None for no limit.
    seed
        Seed of the choice, which depends on ids and not on order.

    Raises
    ------
    SynthesightError
        If a limit is below 1.

    Examples
    --------
    >>> stimuli = [Stimulus(f"{name}.png", b"", category=name[:3]) for name in ("cat1", "cat2")]
    >>> len(sample([*stimuli, Stimulus("dog1.png", b"", category="dog")], per_category=1))
    2
    """
    for option, value in (("limit", limit), ("per_category", per_category)):
        if value is not None and not (isinstance(value, int | np.integer) and value >= 1):
            raise SynthesightError(f"`{option}={value!r}` leaves no stimuli: give 1 or more.")
    table = pl.DataFrame(
        {"id": [s.id for s in stimuli], "category": [s.category for s in stimuli]},
        schema={"id": pl.String, "category": pl.String},
    ).with_row_index()
    shuffled = table.sort("id")[np.random.default_rng(seed).permutation(len(table))]
    turns = shuffled.with_columns(pl.int_range(pl.len()).over("category").alias("turn"))
    if per_category is not None:
        turns = turns.filter(pl.col("turn") < per_category)
    if limit is not None:
        turns = turns.sort("turn", maintain_order=True).head(limit)
    return [stimuli[index] for index in turns["index"].sort()]


def _from_store(place: Any, data: str | Path | None) -> list[Stimulus]:
    """Return the stimuli of an object, of those below a place, or of those of a pattern."""
    if place.is_file():
        if place.suffix.lower() in SUFFIXES:
            return [Stimulus(id=place.name, source=remote.reader(place))]
        copy = remote.fetch(place)
        return remote.beside(_from_text(str(copy), data), copy, place)
    names = remote.below(place)
    if not names and (matches := sorted(place.fs.glob(place.path))):
        urls = [place.fs.unstrip_protocol(match) for match in matches]
        return [stimulus for url in urls for stimulus in _from_text(url, data)]
    root, base = _root(place)
    found = [
        _placed(remote.reader(place / name), (*base, *name.split("/")), root.name)
        for name in names
        if PurePosixPath(name).suffix.lower() in SUFFIXES
    ]
    if not found and (tables := [name for name in names if name.endswith(".parquet")]):
        return _from_text(str(remote.fetch(place, tables)), data)
    if not found:
        raise SynthesightError(
            f"There are no images at {place}: it must hold <category>/<image>, images, or a table."
        )
    return sorted(found, key=lambda stimulus: stimulus.id)


def _root(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the dataset's folder, and the place in it of a part, which keeps the whole's ids."""
    root, base = folder, list[str]()
    while root.name == "dnn" or session_of(root.name) is not None:
        base.insert(0, root.name)
        root = root.parent
    return root, tuple(base)


def _from_folder(folder: Path) -> list[Stimulus]:
    # abspath and not resolve: a link to a dataset is called by its own name, which the user chose.
    root, base = _root(Path(os.path.abspath(folder)))  # noqa: PTH100
    return sorted(
        (
            _placed(folder / place / name, (*base, *Path(place).parts, name), root.name)
            for place, names in _walk(str(folder))
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122
        ),
        key=lambda stimulus: stimulus.id,
    )


def _walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below ``top``, relative to it, with its files; links are followed once.

    Hidden folders, and the one in which macOS archives keep their own files, are passed over.
    """
    above = {top: {os.path.realpath(top)}}
    # Only os.walk with onerror reports a folder that cannot be opened; rglob passes over it.
    for place, folders, names in os.walk(top, onerror=_raise, followlinks=True):
        passed = above.pop(place)
        inner = {
            name: os.path.realpath(os.path.join(place, name))  # noqa: PTH118
            for name in folders
            if not name.startswith(".") and name != "__MACOSX"
        }
        folders[:] = [name for name, real in inner.items() if real not in passed]
        above |= {os.path.join(place, name): passed | {inner[name]} for name in folders}  # noqa: PTH118
        yield os.path.relpath(place, top), names


def _raise(error: OSError) -> None:
    raise error


def _placed(path: Source, parts: tuple[str, ...], dataset: str) -> Stimulus:
    """Return the stimulus of an image, by its place below the dataset's folder."""
    one = "/".join((dataset, *parts))
    session = next((n for part in parts[:-1] if (n := session_of(part)) is not None), None)
    above = parts[-2] if len(parts) > 1 and session_of(parts[-2]) is None else None
    if session is None:
        return Stimulus(id=one, source=path, dataset=dataset, category=above)
    # A session may also hold plain <category>/<image>.
    shown = Shown.read(parts[-1])
    return Stimulus(
        id=one,
        source=path,
        dataset=dataset,
        condition=shown.condition if shown else "0",
        category=shown.category if shown else above,
        session=session,
    )
