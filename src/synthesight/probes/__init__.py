"""Probes: why does it see like that? Each turns an observer and stimuli into a report's section.

:func:`probes` lists them and those of other packages; :func:`probe` declares a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.probes.registry import Probe as Probe
    from synthesight.probes.registry import get_probe as get_probe
    from synthesight.probes.registry import probe as probe
    from synthesight.probes.registry import probes as probes

__getattr__, __dir__, __all__ = lazy.attach(__name__)
