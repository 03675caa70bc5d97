"""Trials: the table of responses, its store, and the published CSV layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.trials.computing import computed
    from synthesight.trials.exchange import read_csv, write_csv
    from synthesight.trials.importing import Imported, import_trials
    from synthesight.trials.merging import merge
    from synthesight.trials.obtain import get_people, published_people
    from synthesight.trials.people import load_human_trials, load_model_trials
    from synthesight.trials.reading import read_trials
    from synthesight.trials.repair import check
    from synthesight.trials.schema import KEY, KINDS, SCHEMA, conform, factors
    from synthesight.trials.state import State, state_of
    from synthesight.trials.store import Run

__all__ = [
    "KEY",
    "KINDS",
    "SCHEMA",
    "Imported",
    "Run",
    "State",
    "check",
    "computed",
    "conform",
    "factors",
    "get_people",
    "import_trials",
    "load_human_trials",
    "load_model_trials",
    "merge",
    "published_people",
    "read_csv",
    "read_trials",
    "state_of",
    "write_csv",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "computing": ["computed"],
        "exchange": ["read_csv", "write_csv"],
        "importing": ["Imported", "import_trials"],
        "merging": ["merge"],
        "obtain": ["get_people", "published_people"],
        "people": ["load_human_trials", "load_model_trials"],
        "reading": ["read_trials"],
        "repair": ["check"],
        "schema": ["KEY", "KINDS", "SCHEMA", "conform", "factors"],
        "state": ["State", "state_of"],
        "store": ["Run"],
    },
)
