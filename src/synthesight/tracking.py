"""Log numbers as they are made: to lines of JSON, trackio or Weights & Biases."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from synthesight.errors import SynthesightError, suggestion

KINDS = ("jsonl", "trackio", "wandb")


class Tracker(Protocol):
    """Whatever numbers are logged to."""

    def log(self, numbers: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers by name, of a step of the work."""
        ...


class JsonLines:
    """Append to a file, a line of JSON a call.

    Parameters
    ----------
    path
        The file, which may have been begun by another process.
    facts
        What every line says besides, such as the name of the run.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any] | None = None) -> None:
        self.path, self.facts = path, dict(facts or {})

    def log(self, numbers: Mapping[str, Any], step: int | None = None) -> None:
        row = self.facts | ({} if step is None else {"step": step}) | dict(numbers)
        plain = {key: None if _is_nan(value) else value for key, value in row.items()}
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(plain, ensure_ascii=False) + "\n")

    def read(self, *numbers: str) -> list[dict[str, Any]]:
        """Return the lines that have some numbers: not those of others, or that a crash cut."""
        rows = []
        with suppress(FileNotFoundError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, RecursionError, LookupError, TypeError):
                    row = json.loads(line)
                    if all(isinstance(row[name], int | float) for name in numbers):
                        rows.append(row)
        return rows


class _Nowhere:
    def log(self, numbers: Mapping[str, Any], step: int | None = None) -> None: ...


@contextmanager
def open_tracker(track: str | None, folder: Path, config: Mapping[str, Any]) -> Iterator[Tracker]:
    """Open what numbers are logged to, and close it at the end.

    Parameters
    ----------
    track
        ``"jsonl:FILE"``, ``"trackio:PROJECT"`` or ``"wandb:PROJECT"``; None logs nothing. Both
        libraries come with the extra ``tracking``. trackio keeps its logs on this machine; wandb
        does so with WANDB_MODE=offline.
    folder
        Folder of the work, whose name the run has: further work in it goes on with the same run.
    config
        Options to log with it.

    Raises
    ------
    SynthesightError
        If there is no such tracker, its library is missing, or it cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_tracker(f"jsonl:{folder}/log.jsonl", Path("mine"), {}) as tracker:
    ...         tracker.log({"loss": 0.5}, step=1)
    ...     print((Path(folder) / "log.jsonl").read_text(), end="")
    {"run": "mine", "step": 1, "loss": 0.5}
    """
    if track is None:
        yield _Nowhere()
        return
    kind, place = check_tracker(track)
    name = folder.resolve().name
    if kind == "jsonl":
        path = Path(place).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a").close()
        except OSError as error:
            raise SynthesightError(
                f"`track`: {path} cannot be written ({error.strerror}): choose another file."
            ) from None
        yield JsonLines(path, {"run": name})
        return
    try:
        library: Any = import_module(kind)
    except ImportError:
        raise SynthesightError(
            f"`track={track!r}` needs the package {kind}: pip install 'synthesight[tracking]'."
        ) from None
    # wandb goes on with a run of one id, trackio with one of one name.
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    own = {"id": digest} if kind == "wandb" else {}
    name = name if own else f"{name}-{digest}"
    try:
        run = library.init(project=place, name=name, config=dict(config), resume="allow", **own)
    except Exception as error:  # whatever a library raises for a name that it does not take
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise SynthesightError(
            f"`track={track!r}` cannot be opened ({first}): check the project's name and, of "
            "wandb, log in or set WANDB_MODE=offline."
        ) from error
    try:
        yield run
    finally:
        run.finish()


def check_tracker(track: str) -> tuple[str, str]:
    """Return the kind of a tracker, and its file or project.

    Raises
    ------
    SynthesightError
        If it is none.

    Examples
    --------
    >>> check_tracker("trackio:shape-bias")
    ('trackio', 'shape-bias')
    """
    kind, _, place = str(track).partition(":")
    if kind not in KINDS:
        raise SynthesightError(
            f"There is no `track={track!r}`: {suggestion(kind, KINDS)}, as in jsonl:log.jsonl or "
            "trackio:PROJECT."
        )
    if not place:
        what = "FILE" if kind == "jsonl" else "PROJECT"
        raise SynthesightError(f"`track={track!r}` names no place: write {kind}:{what}.")
    return kind, place


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
