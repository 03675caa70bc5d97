"""The app: watch models decide, in the browser, offline (gradio, the extra ``app``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.app.models import Models as Models
    from synthesight.app.server import serve as serve

__getattr__, __dir__, __all__ = lazy.attach(__name__)
