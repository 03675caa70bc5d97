"""Obtain people: download their published trials, file by file, each checked by its hash."""

from __future__ import annotations

import shutil
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.progress import Progress
from synthesight.references import Reference, reference
from synthesight.stimuli.datasets.local import download_root

URL = (
    "https://raw.githubusercontent.com/bethgelab/model-vs-human/"
    "79ed7cd1d9ac3a114e71b6638f0a98bdd627316c/raw-data"
)
HUMAN = "human-trials"  # folder of the data folder
CONNECTIONS = 8  # downloads at a time
ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt; each further one waits twice as long


@dataclass(frozen=True)
class People:
    """The published trials of people in one dataset, and what to cite for them.

    ``hashes`` has the SHA-256 of each file, by its name. The licence is that of the trials; that of
    the images is the dataset's.
    """

    hashes: Mapping[str, str]
    licence: str
    papers: tuple[Reference, ...]


@cache
def published_people() -> Mapping[str, People]:
    """Return what is published of people, by dataset: 90 files in 17 datasets.

    Examples
    --------
    >>> people = published_people()
    >>> len(people), sum(len(each.hashes) for each in people.values())
    (17, 90)
    >>> people["contrast"].licence[:9]
    'CC BY 4.0'
    """
    hashes: dict[str, dict[str, str]] = {}
    for line in _text("people.sha256").splitlines():
        sha256, path = line.split()
        dataset, name = path.split("/")
        hashes.setdefault(dataset, {})[name] = sha256
    return MappingProxyType(
        {
            name: People(
                MappingProxyType(hashes[name]),
                part["licence"],
                tuple(map(reference, part["papers"])),
            )
            for part in tomllib.loads(_text("people.toml"))["part"]
            for name in part["datasets"]
        }
    )


def get_people(
    data: str | Path | None = None,
    datasets: Sequence[str] | None = None,
    *,
    url: str | None = None,
) -> Path:
    """Download the published trials of people that are not here yet (8 MB in all).

    Every file must have the SHA-256 that Synthesight knows of it. A dataset's folder is there
    whole or not at all; what a download that broke off has fetched is kept for the next.

    Parameters
    ----------
    data
        Data folder; None for SYNTHESIGHT_DATA, else the user's cache.
    datasets
        Names; None for all 17.
    url
        Address of another copy of the published folder ``raw-data``; None for GitHub.

    Returns
    -------
    The folder ``human-trials`` of the data folder, with ``<dataset>/*.csv`` in it.

    Raises
    ------
    SynthesightError
        If people did not see such a dataset, a file cannot be downloaded or is another than
        the published one, or the folder cannot be written.
    """
    known = published_people()
    if unknown := sorted(set(datasets or ()) - set(known)):
        raise SynthesightError(
            f"No people are published of {unknown[0]!r}: choose among {', '.join(known)}."
        )
    root = download_root(data)
    folder, unfinished = root / HUMAN, root / f".{HUMAN}.part"
    wanted = {
        f"{name}/{file}": sha256
        for name in dict.fromkeys(known if datasets is None else datasets)
        for file, sha256 in known[name].hashes.items()
    }
    if _missing(wanted, folder):
        with files.writing(root, "`data`"):
            root.mkdir(parents=True, exist_ok=True)
            with files.alone(folder):
                # Another process may have fetched them while this one waited.
                missing = _missing(wanted, folder)
                _fetch(missing, unfinished, url or URL)
                for name in {path.partition("/")[0] for path in missing}:
                    _move(unfinished / name, folder / name)
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _missing(wanted: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the files that are not in a folder; those that are must be the published ones."""
    for path, sha256 in wanted.items():
        if (folder / path).is_file() and files.hash_of(folder / path) != sha256:
            raise SynthesightError(
                f"{folder / path} is not the published file: move it elsewhere, and run this again."
            )
    return {path: sha256 for path, sha256 in wanted.items() if not (folder / path).is_file()}


def _fetch(wanted: Mapping[str, str], folder: Path, url: str) -> None:
    """Download files into a folder, several at a time; those that are in it are kept."""
    for path in wanted:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    left = {path: each for path, each in wanted.items() if not (folder / path).is_file()}
    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        with Progress("Downloading people's trials", len(wanted), show=True) as progress:
            progress.at(len(wanted) - len(left))
            for _ in pool.map(lambda path: _fetch_one(path, left[path], folder, url), left):
                progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, begin no other file


def _fetch_one(path: str, sha256: str, folder: Path, url: str) -> None:
    for attempt in range(ATTEMPTS):
        try:
            files.download(
                f"{url}/{path}",
                folder / path,
                sha256=sha256,
                otherwise=f"copy the folder {HUMAN} of another computer into {folder.parent}",
                record=False,
                show=False,
            )
            return
        except SynthesightError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE * 2**attempt)


def _move(source: Path, target: Path) -> None:
    """Move a dataset's files to where they belong: all at once, if nothing is there."""
    if not target.is_dir():
        target.parent.mkdir(exist_ok=True)
        source.replace(target)
        return
    for file in source.iterdir():
        file.replace(target / file.name)


def _text(name: str) -> str:
    return (resources.files(__package__ or "") / name).read_text("utf-8")
