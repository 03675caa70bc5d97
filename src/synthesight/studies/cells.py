"""One run of a study: a model, asked in one way, on one set of stimuli."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthesight.observers.options import EvaluateOptions

# Where and how fast a model answers, not what: the same run goes on elsewhere.
PLACE = ("device", "batch_size", "backend", "address", "jobs", "slurm", "shard")
# Options that may name a file, and options that may name several.
NAMES_FILE = ("classes", "prompt", "weighting", "calibration", "labels", "config", "lora")
NAMES_FILES = ("prompt", "lora")
LONGEST = 40  # characters of a value in a label


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes
    ----------
    model
        Name, file or folder of the model.
    stimuli
        What ``evaluate`` is given to show.
    options
        Of the evaluation.
    written
        Model, stimuli and options as the study writes them, with the hashes of files.
    varied
        Those options in which the study's runs of this model differ.
    """

    model: str
    stimuli: tuple[str, ...]
    options: EvaluateOptions
    written: Mapping[str, Any]
    varied: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of what makes the run's trials: another definition gets another folder."""
        text = json.dumps(self.written, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def how(self) -> str:
        """In what it differs from the study's other runs of the model, in words."""
        return ", ".join(shown(option, value) for option, value in self.varied.items())

    @property
    def observer(self) -> str:
        """How the results call the model as it was asked here."""
        name = Path(self.model).name if Path(self.model).exists() else self.model
        return f"{name} ({self.how})" if self.varied else name

    @property
    def shows(self) -> str:
        """The stimuli, in words."""
        return " + ".join(map(str, self.written["stimuli"]))

    @property
    def folder(self) -> str:
        """Name of the run's folder."""
        words = f"{self.observer} {self.shows}"
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-.")[:70]
        return f"{readable}-{self.digest}"


def with_varied(cells: Sequence[Cell]) -> list[Cell]:
    """Return cells that know in which options a model's cells on the same stimuli differ."""
    kinds: dict[str, dict[str, dict[str, set[str]]]] = {}
    for cell in cells:
        same = kinds.setdefault(cell.model, {}).setdefault(cell.shows, {})
        for option in EvaluateOptions.__dataclass_fields__:
            same.setdefault(option, set()).add(repr(cell.written["options"].get(option)))
    differ = {
        model: [
            option
            for option in EvaluateOptions.__dataclass_fields__
            if any(len(values[option]) > 1 for values in by_stimuli.values())
        ]
        for model, by_stimuli in kinds.items()
    }
    return [
        replace(
            cell,
            varied={name: cell.written["options"].get(name) for name in differ[cell.model]},
        )
        for cell in cells
    ]


def shown(option: str, value: Any) -> str:
    """Return an option and its value in a few words.

    Examples
    --------
    >>> shown("seed", 1), shown("weighting", "elbo"), shown("weighting", None)
    ('seed 1', 'elbo', 'own weighting')
    """
    if value is None:
        return f"own {option.replace('_', ' ')}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    if option in ("weighting", "rule", "prompt"):
        return text
    return f"{option.replace('_', ' ')} {text}"
