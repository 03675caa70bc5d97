"""Trials: the table of responses, its store, and the published CSV layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.trials.computing import computed as computed
    from synthesight.trials.exchange import read_csv as read_csv
    from synthesight.trials.exchange import write_csv as write_csv
    from synthesight.trials.importing import Imported as Imported
    from synthesight.trials.importing import import_trials as import_trials
    from synthesight.trials.merging import merge as merge
    from synthesight.trials.obtain import get_people as get_people
    from synthesight.trials.obtain import published_people as published_people
    from synthesight.trials.people import load_human_trials as load_human_trials
    from synthesight.trials.people import load_model_trials as load_model_trials
    from synthesight.trials.reading import read_trials as read_trials
    from synthesight.trials.repair import check as check
    from synthesight.trials.schema import KEY as KEY
    from synthesight.trials.schema import KINDS as KINDS
    from synthesight.trials.schema import SCHEMA as SCHEMA
    from synthesight.trials.schema import conform as conform
    from synthesight.trials.schema import factors as factors
    from synthesight.trials.state import State as State
    from synthesight.trials.state import state_of as state_of
    from synthesight.trials.store import Run as Run

__getattr__, __dir__, __all__ = lazy.attach(__name__)
