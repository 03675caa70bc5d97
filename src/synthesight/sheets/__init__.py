"""Tables of text, as laboratories and spreadsheets write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.sheets.cells import numbers as numbers
    from synthesight.sheets.cells import plain as plain
    from synthesight.sheets.cells import typed as typed
    from synthesight.sheets.reading import PARQUET as PARQUET
    from synthesight.sheets.reading import SUFFIXES as SUFFIXES
    from synthesight.sheets.reading import Sheet as Sheet
    from synthesight.sheets.reading import read_sheet as read_sheet

__getattr__, __dir__, __all__ = lazy.attach(__name__)
