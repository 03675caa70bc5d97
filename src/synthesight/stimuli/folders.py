"""Find stimuli in folders: by category, in the published layout of sessions, or listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from synthesight.errors import SynthesightError
from synthesight.stimuli import tables
from synthesight.stimuli.archives import SUFFIXES_OF_ARCHIVES, from_archives
from synthesight.stimuli.formats import HEAD, SUFFIXES, format_of
from synthesight.stimuli.images import escaped, first_bytes, printable
from synthesight.stimuli.names import Shown, session_of
from synthesight.stimuli.passed import Passed
from synthesight.stimuli.stimulus import Source, Stimulus

HIDDEN = "hidden"
NO_IMAGE = "without an image"


def root_of(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the dataset's folder, and the place in it of a part, which keeps the whole's ids."""
    root, base = folder, list[str]()
    while root.name == "dnn" or session_of(root.name) is not None:
        base.insert(0, root.name)
        root = root.parent
    return root, tuple(base)


def from_folder(folder: Path) -> list[Stimulus]:
    """Return the stimuli of a folder of images, tables or archives, sorted by id.

    Raises OSError if a folder cannot be opened.
    """
    # abspath and not resolve: a link to a dataset is called by its own name, which the user chose.
    root, base = root_of(Path(os.path.abspath(folder)))  # noqa: PTH100
    passed = Passed(str(folder))
    found: list[Stimulus] = []
    others: list[Path] = []
    for place, names in _walk(str(folder), passed):
        above = (*base, *Path(place).parts)
        for name in names:
            path = folder / place / name
            if name.startswith("."):
                passed.add(HIDDEN, os.path.normpath(f"{place}/{name}"))
            elif os.path.splitext(name)[1].lower() in SUFFIXES or format_of(  # noqa: PTH122
                first_bytes(path, HEAD)
            ):
                found.append(placed(path, (*above, name), root.name))
            else:
                others.append(path)
    listed = [path for name in tables.METADATA for path in others if path == folder / name]
    if listed and found:
        others.remove(listed[0])
        found = _listed(listed[0], found, root.name, passed)
    elif not found:
        if shards := [path for path in others if path.suffix.lower() in tables.PARQUET]:
            return tables.from_shards(shards, folder)
        if archives := [p for p in others if p.suffix.lower() in SUFFIXES_OF_ARCHIVES]:
            return from_archives(sorted(archives), placed, str(folder))
    for path in others:
        passed.add(NO_IMAGE, str(path.relative_to(folder)))
    if not found:
        raise SynthesightError(
            f"No images in the folder {printable(str(folder))}{passed.summary()}: it must hold "
            f"<category>/<image> or images, as {', '.join(sorted(SUFFIXES))}."
        )
    passed.warn()
    return sorted(found, key=lambda stimulus: stimulus.id)


def _listed(table: Path, found: list[Stimulus], dataset: str, passed: Passed) -> list[Stimulus]:
    """Return the images of a folder that its own list names (Hugging Face's ImageFolder)."""
    named = tables.from_table(table, dataset=dataset)
    sources = {os.path.normpath(str(stimulus.source)) for stimulus in named}
    for stimulus in found:
        if os.path.normpath(str(stimulus.source)) not in sources:
            passed.add(f"not named in {table.name}", stimulus.id)
    return named


def _walk(top: str, passed: Passed) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below ``top``, relative to it, with its files; links are followed once.

    Hidden folders, and the one in which macOS archives keep their own files, are passed over.
    """
    above = {top: {os.path.realpath(top)}}
    # Only os.walk with onerror reports a folder that cannot be opened; rglob passes over it.
    for place, folders, files in os.walk(top, onerror=_raise, followlinks=True):
        before = above.pop(place)
        inner = {}
        for name in folders:
            path = os.path.join(place, name)  # noqa: PTH118
            real = os.path.realpath(path)
            if name.startswith(".") or name == "__MACOSX":
                passed.add(HIDDEN, os.path.relpath(path, top))
            elif real in before:
                passed.add("linked to a folder above", os.path.relpath(path, top))
            else:
                inner[name] = real
        folders[:] = inner
        above |= {os.path.join(place, name): before | {inner[name]} for name in folders}  # noqa: PTH118
        yield os.path.relpath(place, top), files


def _raise(error: OSError) -> None:
    raise error


def placed(source: Source, parts: tuple[str, ...], dataset: str) -> Stimulus:
    """Return the stimulus of an image, by its place below the dataset's folder or archive."""
    dataset = escaped(dataset)
    parts = tuple(map(escaped, parts))
    one = "/".join((dataset, *parts))
    session = next((n for part in parts[:-1] if (n := session_of(part)) is not None), None)
    above = parts[-2] if len(parts) > 1 and session_of(parts[-2]) is None else None
    if session is None:
        return Stimulus(id=one, source=source, dataset=dataset, category=above)
    # A session may also hold plain <category>/<image>.
    shown = Shown.read(parts[-1])
    return Stimulus(
        id=one,
        source=source,
        dataset=dataset,
        condition=shown.condition if shown else "0",
        category=shown.category if shown else above,
        session=session,
    )
