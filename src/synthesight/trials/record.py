"""The record of a run, ``run.json``: what makes its trials. It is written once, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.files import read_json

RECORD = "run.json"
DAMAGED = "damaged"  # folder where `synthesight check` puts what is
FORMAT = 2
# What may differ where a run goes on or is merged. Options that change responses are in the
# observer's own description and the classes; stimuli are compared one by one.
MAY_DIFFER = (
    "options",
    "versions",
    "platform",
    "device",
    "started",
    "datasets",
    # Of format 1.
    "stimuli",
    "stimuli_ids_hash",
    # Where files are; how well a precision was measured; which of two equal ways is taken.
    "observer.pipeline.source.model",
    "observer.pipeline.source.config",
    "observer.pipeline.precision",
    "observer.pipeline.door",
)
# Entries that say only whether something is the same: a message names what differs.
HASHES = {"observer.weights": "weights"}
_TABLES = ("observer", "options", "versions")
_LISTS = ("classes", "datasets")


class BadRecord(SynthesightError):
    """Say in one sentence what is wrong with a record."""


class NewerFormat(BadRecord):
    """Say that a later version wrote it."""


def encode(manifest: dict[str, Any]) -> str:
    """Return the text of ``run.json``: the format, what is recorded, and the SHA-256 of both.

    Examples
    --------
    >>> decode(json.loads(encode({"classes": ["cat", "dog"]})), Path("run.json"))
    ({'classes': ['cat', 'dog']}, 2)
    """
    content = {"format": FORMAT, **json.loads(json.dumps(manifest))}
    whole = content | {"sha256": _digest(content)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def decode(content: dict[str, Any], name: Path) -> tuple[dict[str, Any], int]:
    """Return what the object in a ``run.json``, called ``name``, records, and its format.

    Raises BadRecord if it is damaged, was changed, or has a format of later versions.
    """
    found = content.get("format", 1)
    if isinstance(found, bool) or not isinstance(found, int | float) or not found >= 1:
        raise BadRecord(f"{name} has no format that can be: {_advice(name.parent)}.")
    if found >= FORMAT + 1:
        version = content.get("versions")
        version = version.get("synthesight") if isinstance(version, dict) else None
        raise NewerFormat(
            f"{name} has the format {found:g}, which is newer than this version of Synthesight: "
            f"read it with {f'{version} or newer' if version else 'the newest'}."
        )
    if found >= 2:
        content = dict(content)
        if content.pop("sha256", None) != _digest(content):
            raise BadRecord(f"{name} was changed after it was written: {_advice(name.parent)}.")
    for kind, keys in ((dict, _TABLES), (list, _LISTS)):
        for key in keys:
            if not isinstance(content.get(key), kind | None):
                raise BadRecord(f"{name} has no {key} that can be: {_advice(name.parent)}.")
    return {key: value for key, value in content.items() if key != "format"}, int(found)


def read_record(folder: Path) -> tuple[dict[str, Any], int]:
    """Return what ``run.json`` records, and its format."""
    path = folder / RECORD
    try:
        if not path.exists():
            raise BadRecord(_missing(folder))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or "its name cannot be one"
        raise BadRecord(f"{folder} cannot be read ({reason}): check the path.") from None
    return decode(read_json(path, advice=_advice(folder)), path)


def as_recorded(folder: Path, classes: list[str]) -> list[str]:
    """Return classes in the order of a run's record, if it has the same ones.

    Evidence is kept in that order; those of stimuli that became more may first appear in another.
    """
    if not (folder / RECORD).exists():
        return classes
    recorded = read_record(folder)[0].get("classes") or []
    same = len(recorded) == len(classes) and set(recorded) == set(classes)
    return recorded if same else classes


def first_difference(
    was: dict[str, Any],
    now: dict[str, Any],
    ignore: Iterable[str] = MAY_DIFFER,
    prefix: str = "",
) -> str | None:
    """Return what two records differ in, such as ``with delta = 0.01, not 0.05``; None if nothing.

    Keys in ``ignore`` may differ; those of an inner table as ``outer.inner``.
    """
    for key in {**now, **was}:
        name = f"{prefix}{key}"
        if name in ignore:
            continue
        old, new = was.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if found := first_difference(old, new, ignore, f"{name}."):
                return found
        elif old != new and name == "classes" and isinstance(old, list) and isinstance(new, list):
            return f"that chose among {', '.join(map(str, old))}, not {', '.join(map(str, new))}"
        elif old != new:
            return (
                f"of other {HASHES[name]}" if name in HASHES else f"with {name} = {old}, not {new}"
            )
    return None


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _advice(folder: Path) -> str:
    return f"run `synthesight check {folder}`, which restores it from the trials where it can"


def _missing(folder: Path) -> str:
    if any(folder.glob("part-*.parquet")):
        return (
            f"{folder} holds trials, but {RECORD}, the record of what made them, is missing: "
            f"{_advice(folder)}."
        )
    inner = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    if inner := [name for name in inner if name != DAMAGED]:
        return f"{folder} is not a run but holds runs: name them, as {folder / inner[0]}."
    return (
        f"{folder} is not a run (it has no {RECORD}): give a folder that `synthesight evaluate` "
        "wrote."
    )
