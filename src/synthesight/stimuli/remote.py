"""Stimuli in object stores: images are read when they are shown, tables are fetched once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from synthesight import files
from synthesight.errors import first_line
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus


def reader(place: Any) -> Callable[[], bytes]:
    """Return what reads an object's bytes, also in another process or on another machine."""
    return partial(_read, str(place))


def _read(url: str) -> bytes:
    from fsspec.core import url_to_fs

    try:
        store, path = url_to_fs(url)
        return bytes(store.cat_file(path))
    except Exception as error:  # whatever the network, the store or its keys refuse
        raise UnreadableImage(
            f"{url} cannot be read ({first_line(error)}): check the address and your credentials."
        ) from None


def below(place: Any) -> list[str]:
    """Return the objects below a place, relative to it, without hidden ones."""
    start = place.path.rstrip("/") + "/"
    names = (path.removeprefix(start) for path in place.fs.find(place.path))
    return sorted(
        name
        for name in names
        if not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    )


def fetch(place: Any, names: Sequence[str] = ()) -> Path:
    """Return a copy of an object, or of some below a place, in the user's cache.

    It is fetched again when the object changes.
    """
    objects = [place / name for name in names] or [place]
    keys = "\0".join(f"{each} {each.fs.ukey(each.path)}" for each in objects)
    folder = files.cache_folder() / "objects" / hashlib.sha256(keys.encode()).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    for each, name in zip(objects, names or [""], strict=True):
        copy = folder / place.name / name if name else folder / place.name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(copy) as unfinished:
                each.fs.get_file(each.path, str(unfinished))
    return folder / place.name


def beside(stimuli: Iterable[Stimulus], copy: Path, place: Any) -> list[Stimulus]:
    """Return stimuli of a copied table, of which listed paths are beside the original."""
    return [
        replace(each, source=reader(place.parent / _relative(each.source, copy.parent)))
        if isinstance(each.source, Path)
        else each
        for each in stimuli
    ]


def _relative(path: Path, folder: Path) -> str:
    return PurePosixPath(os.path.relpath(path, folder)).as_posix()
