"""Small models of image tokens that are trained here, such as ``natural-32-ar``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.tokens.small.model import SmallTokenModel, SmallTokenNetwork, write
    from synthesight.likelihood.tokens.small.network import NetworkSizes
    from synthesight.likelihood.tokens.small.tokenizer import Tokenizer, TokenizerSizes

_OFFERED = {
    "model": ["SmallTokenModel", "SmallTokenNetwork", "write"],
    "network": ["NetworkSizes"],
    "tokenizer": ["Tokenizer", "TokenizerSizes"],
}

__all__ = [
    "NetworkSizes",
    "SmallTokenModel",
    "SmallTokenNetwork",
    "Tokenizer",
    "TokenizerSizes",
    "write",
]

__getattr__, __dir__ = lazy.attach(__name__, _OFFERED)
