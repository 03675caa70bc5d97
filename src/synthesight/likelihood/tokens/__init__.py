"""Models of image tokens: what each prompt says of the codes that an image is made of.

A tokenizer turns an image into codes, once; a network gives each code a probability. All models
here share :mod:`~synthesight.likelihood.tokens.nats`: log-probabilities over image codes alone,
from float32 logits, summed in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.tokens.chameleon import Chameleon as Chameleon
    from synthesight.likelihood.tokens.converted import is_converted as is_converted
    from synthesight.likelihood.tokens.converted import open_converted as open_converted
    from synthesight.likelihood.tokens.converting import convert as convert
    from synthesight.likelihood.tokens.emu3 import Emu3 as Emu3
    from synthesight.likelihood.tokens.janus import Janus as Janus
    from synthesight.likelihood.tokens.masked import Amused as Amused
    from synthesight.likelihood.tokens.nats import check_codebook as check_codebook
    from synthesight.likelihood.tokens.nats import check_codes as check_codes
    from synthesight.likelihood.tokens.nats import code_nats as code_nats
    from synthesight.likelihood.tokens.nats import even_parts as even_parts
    from synthesight.likelihood.tokens.nats import head_nats as head_nats
    from synthesight.likelihood.tokens.nats import part_nats as part_nats
    from synthesight.likelihood.tokens.opening import TokenParts as TokenParts
    from synthesight.likelihood.tokens.opening import open_parts as open_parts
    from synthesight.likelihood.tokens.randar import RandAR as RandAR
    from synthesight.likelihood.tokens.randar import RandARConfig as RandARConfig
    from synthesight.likelihood.tokens.raster import RasterModel as RasterModel
    from synthesight.likelihood.tokens.var import VAR as VAR
    from synthesight.likelihood.tokens.var import VARConfig as VARConfig

__getattr__, __dir__, __all__ = lazy.attach(__name__)
