"""One run of a study: a model, asked in one way, on one set of stimuli."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from synthesight.observers.options import EvaluateOptions

# What a study varies, and the option that it gives values to.
AXES = {"prompts": "prompt", "weightings": "weighting", "rules": "rule", "seeds": "seed"}
# Where and how fast a model answers, and to how many images: the same run goes on, or grows.
PLACE = ("device", "batch_size", "backend", "address", "jobs", "slurm", "shard", "limit")
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
    """Return cells that know in which options a model's cells on the same stimuli differ.

    An option that differs only where an axis does, such as ``delta`` of one of two rules, tells
    nothing more.
    """
    kinds: dict[Any, set[str]] = {}

    def keys(cell: Cell, option: str) -> tuple[str, ...]:
        ways = () if option in AXES.values() else AXES.values()
        given = cell.written["options"]
        return (option, cell.model, cell.shows, *(repr(given.get(way)) for way in ways))

    options = [each.name for each in fields(EvaluateOptions)]
    for cell in cells:
        for option in options:
            value = repr(cell.written["options"].get(option))
            kinds.setdefault(keys(cell, option), set()).add(value)
    differ = {key[:2] for key, values in kinds.items() if len(values) > 1}
    return [
        replace(
            cell,
            varied={
                option: cell.written["options"].get(option)
                for option in options
                if (option, cell.model) in differ
            },
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
