"""The app: watch models decide, in the browser, offline (gradio, the extra ``app``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.app.models import Models
    from synthesight.app.server import serve

__all__ = ["Models", "serve"]

__getattr__, __dir__ = lazy.attach(__name__, {"models": ["Models"], "server": ["serve"]})
