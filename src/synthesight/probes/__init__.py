"""Probes: why does it see like that? Each turns an observer and stimuli into a report's section.

:func:`probes` lists them and those of other packages; :func:`probe` declares a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.probes.registry import Probe, get_probe, probe, probes

_OFFERED = {"registry": ["Probe", "get_probe", "probe", "probes"]}

__all__ = ["Probe", "get_probe", "probe", "probes"]

__getattr__, __dir__ = lazy.attach(__name__, _OFFERED)
