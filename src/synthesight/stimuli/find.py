"""Find stimuli: folders in the published layouts, tables of images, or datasets by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from glob import glob
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from synthesight import files, sheets
from synthesight.errors import SynthesightError
from synthesight.stimuli import folders, hugging_face, remote, synsets, tables
from synthesight.stimuli.archives import expand, from_archives, is_archive
from synthesight.stimuli.arrays import as_stimuli
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.datasets.local import data_root, dataset_folder
from synthesight.stimuli.depth import Range
from synthesight.stimuli.formats import SUFFIXES, format_of
from synthesight.stimuli.images import escaped, first_bytes, printable
from synthesight.stimuli.passed import Passed
from synthesight.stimuli.stimulus import Stimulus


def find_stimuli(
    source: Any, *, data: str | Path | None = None, range: Any = None
) -> list[Stimulus]:
    """Return the stimuli of a file, a folder, a named dataset, or several of these.

    No image is decoded: one that cannot be read fails when it is opened. What is passed over, such
    as hidden files and those that are no images by suffix or content, is counted in a warning.

    Parameters
    ----------
    source
        * an image, or a pattern such as ``"photos/*.jpg"``;
        * a folder ``<category>/<image>``, or of images without categories;
        * a folder in the published session layout, ``dnn/session-<n>/<image>``, where the image's
          name is ``<trial>_<experiment>_dnn_<condition>_<category>_<number>_<image>``;
        * a table, as :func:`~synthesight.stimuli.tables.from_table` reads it: Parquet with images
          or paths, or a list of paths and labels as CSV, TSV, JSON or JSON lines;
        * a folder of images with ``metadata.csv`` or ``metadata.jsonl``, which names them in a
          column ``file_name``;
        * an archive laid out like a folder, zip or tar, or shards of WebDataset, as in
          ``"pets-{000..003}.tar"``: images with ``.cls`` or ``.json`` beside them;
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
        cache. Paths in lists may also be relative to it.
    range
        What is black and white in images of more than eight bits a channel: two values, such as
        ``(0, 4095)``, or percentiles of each image, such as ``"1%,99%"``. None for all of their
        depth.

    Returns
    -------
    Stimuli, with ids that do not depend on where the folder is; those of a folder sorted by id.
    Categories that are synsets of ImageNet's folders become words (n02084071 is dog).

    Raises
    ------
    SynthesightError
        If there is no such file or folder, it cannot be read, or there are no images.

    Examples
    --------
    >>> find_stimuli([Stimulus("cat1.png", b"...", category="cat")])[0].category
    'cat'
    """
    limits = Range.read(range)
    found = synsets.named(_found(source, data))
    return found if limits is None else [replace(stimulus, range=limits) for stimulus in found]


def _found(source: Any, data: str | Path | None) -> list[Stimulus]:
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
        return _distinct(as_stimuli(sources))
    return [stimulus for one in sources for stimulus in _found(one, data)]


def _distinct(stimuli: list[Stimulus]) -> list[Stimulus]:
    """Tell stimuli of one id apart by their place."""
    if len({stimulus.id for stimulus in stimuli}) == len(stimuli):
        return stimuli
    return [replace(one, id=f"{one.id}#{place}") for place, one in enumerate(stimuli)]


def _from_text(source: str, data: str | Path | None) -> list[Stimulus]:
    if files.is_remote(source):
        return _from_store(files.as_path(source), data)
    if source.startswith(hugging_face.PREFIX):
        return hugging_face.from_hub(source)
    if not source:
        raise SynthesightError("A path is empty: name an image, a folder or a dataset.")
    if source.startswith(("http://", "https://")):
        name = source.split("?")[0].rstrip("/").rpartition("/")[2] or "FILE"
        raise SynthesightError(
            f"{source} is an address, and images are not downloaded unseen: type `curl -Lo {name} "
            f"{source}`, and give {name}."
        )
    path = Path(source).expanduser()
    label = printable(str(path))
    try:
        if source in datasets() and not path.exists():
            path = dataset_folder(source, data)
        if not path.exists():
            return _from_pattern(path, source, data)
        if not path.is_dir():
            return _from_file(path, data)
        if hugging_face.is_saved(path):
            return hugging_face.from_saved(path)
        return folders.from_folder(path)
    except PermissionError as error:
        name = printable(str(error.filename or path))
        raise SynthesightError(
            f"{name} cannot be read (permission denied): check its permissions."
        ) from None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise SynthesightError(f"{label} cannot be read ({reason}): check the path.") from None


def _from_pattern(path: Path, source: str, data: str | Path | None) -> list[Stimulus]:
    """Return the stimuli of the files that a pattern stands for, or of shards ``{000..003}``."""
    shards = [Path(name) for name in expand(str(path))]
    if len(shards) > 1:
        missing = [shard for shard in shards if not shard.is_file()]
        if not missing:
            return from_archives(shards, folders.placed, str(path))
        path = missing[0]
    elif "\0" not in source and (matches := sorted(glob(str(path)))):  # noqa: PTH207
        return [stimulus for match in matches for stimulus in _from_text(match, data)]
    hint = "check the path."
    if source == "-":
        hint = "save what is piped in as a file, and give its path."
    elif near := get_close_matches(source.lower(), datasets(), n=1, cutoff=0.7):
        hint = f"did you mean the dataset {near[0]}?"
    elif path.parent.is_dir():
        beside = {each.name.lower(): each for each in sorted(path.parent.iterdir())[:1000]}
        for each in get_close_matches(path.name.lower(), beside, n=1, cutoff=0.75):
            hint = f"did you mean {printable(str(beside[each]))}?"
    raise SynthesightError(f"There is no file or folder {printable(str(path))}: {hint}")


def _from_file(path: Path, data: str | Path | None) -> list[Stimulus]:
    """Return the stimuli of a file: a table, an archive, or else an image, whatever its suffix."""
    head, suffix = first_bytes(path, 512), path.suffix.lower()
    image = format_of(head) is not None or suffix in SUFFIXES
    if not image and (suffix in tables.PARQUET or head.startswith(b"PAR1")):
        return tables.from_table(path, _roots(data))
    if not image and suffix != ".xlsx" and is_archive(path, head):
        return from_archives([path], folders.placed)
    if not image and suffix in (*sheets.SUFFIXES, ".xlsx"):
        return tables.from_table(path, _roots(data))
    return [Stimulus(id=escaped(path.name), source=path)]


def _roots(data: str | Path | None) -> list[Path]:
    """Return the folders that the paths of a list may be relative to, beside its own."""
    root = data_root(data)
    return [Path(), *([root] if root else [])]


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
        suffix = place.suffix.lower()
        if suffix in SUFFIXES:
            return [Stimulus(id=escaped(place.name), source=remote.reader(place))]
        copy = remote.fetch(place)
        if suffix in sheets.SUFFIXES:
            return remote.beside(tables.from_table(copy, look=False), copy, place)
        return remote.beside(_from_text(str(copy), data), copy, place)
    names = remote.below(place)
    if not names and (matches := sorted(place.fs.glob(place.path))):
        urls = [place.fs.unstrip_protocol(match) for match in matches]
        return [stimulus for url in urls for stimulus in _from_text(url, data)]
    root, base = folders.root_of(place)
    passed, found = Passed(str(place)), []
    for name in names:
        if PurePosixPath(name).suffix.lower() in SUFFIXES:
            parts = (*base, *name.split("/"))
            found.append(folders.placed(remote.reader(place / name), parts, root.name))
        else:
            passed.add(folders.NO_IMAGE, name)
    if not found and (shards := [name for name in names if name.endswith(tables.PARQUET)]):
        return _from_text(str(remote.fetch(place, shards)), data)
    if not found:
        raise SynthesightError(
            f"There are no images at {place}{passed.summary()}: it must hold <category>/<image>, "
            "images, or a table."
        )
    passed.warn()
    return sorted(found, key=lambda stimulus: stimulus.id)
