"""Read the trials of other programs: lab software, spreadsheets, the model-vs-human toolbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.trials.importing.read import Imported as Imported
    from synthesight.trials.importing.read import import_trials as import_trials

__getattr__, __dir__, __all__ = lazy.attach(__name__)
