"""Small models of image tokens that are trained here, such as ``natural-32-ar``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.tokens.small.model import SmallTokenModel as SmallTokenModel
    from synthesight.likelihood.tokens.small.model import SmallTokenNetwork as SmallTokenNetwork
    from synthesight.likelihood.tokens.small.model import write as write
    from synthesight.likelihood.tokens.small.network import NetworkSizes as NetworkSizes
    from synthesight.likelihood.tokens.small.tokenizer import Tokenizer as Tokenizer
    from synthesight.likelihood.tokens.small.tokenizer import TokenizerSizes as TokenizerSizes

__getattr__, __dir__, __all__ = lazy.attach(__name__)
