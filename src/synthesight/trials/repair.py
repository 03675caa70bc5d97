"""Check runs: set aside what is damaged, and restore the record from the trials."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.draws import Draws
from synthesight.trials.parts import SEALED, DamagedPart, Parts
from synthesight.trials.planned import plan_of, replaced
from synthesight.trials.record import (
    DAMAGED,
    RECORD,
    NewerFormat,
    decode,
    first_difference,
    read_record,
)
from synthesight.trials.store import Run, trial_parts


def check(folder: str | Path, stimuli: Sequence[Stimulus] | None = None) -> list[str]:
    """Check a run, byte by byte; set aside what is damaged, and delete nothing.

    Damaged parts go to the folder ``damaged`` in that of the run. A record that is missing, damaged
    or was changed is restored from the trials, which carry it.

    Parameters
    ----------
    folder
        Folder of the run.
    stimuli
        Images to compare with those that were shown, all of them; None to compare none.

    Returns
    -------
    A sentence for each thing that was wrong.

    Raises
    ------
    SynthesightError
        If the folder is no run, its format is of later versions, or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(f"{folder}/run", {"classes": ["cat", "dog"]})
    ...     check(run.folder)
    []
    """
    folder = files.as_path(folder)
    trials = trial_parts(folder)
    found = _check_record(folder, trials)
    for parts in (trials, plan_of(folder), Draws(folder).parts):
        found += _check_parts(parts)
    if stimuli is not None:
        other = list(replaced(stimuli, Run.open(folder).digests()))
        found += [f"{name} is another image than the one of its trial." for name in other]
    return found


def _check_record(folder: Path, trials: Parts) -> list[str]:
    path = folder / RECORD
    try:
        read_record(folder)
        return []
    except NewerFormat:
        raise
    except SynthesightError as error:
        wrong = str(error).partition(": ")[0]
        notes = Counter(_note(trials, part) for part in trials.paths())
        notes.pop("", None)
        if not notes and not path.exists():
            if trials.paths():
                raise SynthesightError(
                    f"{wrong}, and no part of it tells what made them: put the record back from a "
                    "copy, or evaluate anew with another `out`."
                ) from None
            raise
    with files.writing(folder):
        aside = _set_aside(path, folder) if path.exists() else None
        if notes:
            files.write(path, notes.most_common(1)[0][0], replace=False)
    restored = "it was restored from the trials" if notes else "there are no trials to restore it"
    kept = f", and what was there is in {aside}" if aside else ""
    return [f"{wrong}; {restored}{kept}."]


def _check_parts(parts: Parts) -> list[str]:
    """Set aside parts that are damaged, or that another run wrote."""
    folder, found = parts.run, []
    record = read_record(folder)[0] if (folder / RECORD).exists() else None
    for path in parts.paths():
        try:
            parts.check(path)
            note = _note(parts, path)
            if not note or record is None:
                continue
            if not (other := first_difference(decode(json.loads(note), path)[0], record)):
                continue
            why = f"is of another run, {other}"
        except FileNotFoundError:  # joined with others meanwhile
            continue
        except DamagedPart as damaged:
            why = f"is damaged ({damaged.why})"
        with files.writing(folder):
            found.append(f"{path} {why}: it was set aside in {_set_aside(path, folder).parent}.")
    return found


def _note(parts: Parts, path: Path) -> str:
    """Return the record that a part carries; empty if it carries none or is damaged."""
    if not SEALED.fullmatch(path.name):
        return ""
    try:
        parts.check(path)
        note = parts.note(path)
        decode(json.loads(note), path)
    except (SynthesightError, OSError, ValueError, AttributeError):
        return ""
    return note


def _set_aside(path: Path, folder: Path) -> Path:
    place = folder / DAMAGED
    files.make_folder(place)
    aside, number = place / path.name, 1
    while aside.exists():
        number += 1
        aside = place / f"{path.name}.{number}"
    path.rename(aside)
    files.sync_folder(folder)
    return aside
