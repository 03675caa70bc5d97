"""Record what computed the trials of a run: evidence depends on it in its last digits."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthesight import files
from synthesight.trials.claims import FOLDER

NAME = "computed-{}.json"


def record_computed(folder: Path, computing: dict[str, Any]) -> None:
    """Record one way in which trials of a run were computed, once however many processes use it."""
    text = json.dumps(computing, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    name = NAME.format(hashlib.sha256(text.encode()).hexdigest()[:16])
    path = folder / FOLDER / name
    with files.writing(folder):
        files.make_folder(path.parent)
        with suppress(FileExistsError):
            files.write(path, text, replace=False)


def computed(run: str | Path) -> list[dict[str, Any]]:
    """Return the ways in which trials of a run were computed.

    Parameters
    ----------
    run
        Folder of the run.

    Returns
    -------
    For each: ``device``, ``processor``, ``threads``, ``dtype``, ``batch_size``, ``compiled``,
    ``memory_format``, ``packed``, ``reproducible`` and ``versions``, as far as the observer tells
    them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record_computed(Path(folder), {"device": "cpu", "threads": 2})
    ...     computed(folder)
    [{'device': 'cpu', 'threads': 2}]
    """
    found = []
    for path in sorted((files.as_path(run) / FOLDER).glob(NAME.format("*"))):
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                found.append(content)
    return found
