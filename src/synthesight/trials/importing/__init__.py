"""Read the trials of other programs: lab software, spreadsheets, the model-vs-human toolbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.trials.importing.read import Imported, import_trials

__all__ = ["Imported", "import_trials"]

__getattr__, __dir__ = lazy.attach(__name__, {"read": ["Imported", "import_trials"]})
