"""Models of image tokens: what each prompt says of the codes that an image is made of.

A tokenizer turns an image into codes, once; a network gives each code a probability. All models
here share :mod:`~synthesight.likelihood.tokens.nats`: log-probabilities over image codes alone,
from float32 logits, summed in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.tokens.chameleon import Chameleon
    from synthesight.likelihood.tokens.converted import is_converted, open_converted
    from synthesight.likelihood.tokens.converting import convert
    from synthesight.likelihood.tokens.emu3 import Emu3
    from synthesight.likelihood.tokens.janus import Janus
    from synthesight.likelihood.tokens.masked import Amused
    from synthesight.likelihood.tokens.nats import (
        check_codebook,
        check_codes,
        code_nats,
        even_parts,
        head_nats,
        part_nats,
    )
    from synthesight.likelihood.tokens.opening import TokenParts, open_parts
    from synthesight.likelihood.tokens.randar import RandAR, RandARConfig
    from synthesight.likelihood.tokens.raster import RasterModel
    from synthesight.likelihood.tokens.var import VAR, VARConfig

_OFFERED = {
    "chameleon": ["Chameleon"],
    "emu3": ["Emu3"],
    "janus": ["Janus"],
    "masked": ["Amused"],
    "converted": ["is_converted", "open_converted"],
    "converting": ["convert"],
    "nats": [
        "check_codebook",
        "check_codes",
        "code_nats",
        "even_parts",
        "head_nats",
        "part_nats",
    ],
    "opening": ["TokenParts", "open_parts"],
    "raster": ["RasterModel"],
    "randar": ["RandAR", "RandARConfig"],
    "var": ["VAR", "VARConfig"],
}

__all__ = [
    "VAR",
    "Amused",
    "Chameleon",
    "Emu3",
    "Janus",
    "RandAR",
    "RandARConfig",
    "RasterModel",
    "TokenParts",
    "VARConfig",
    "check_codebook",
    "check_codes",
    "code_nats",
    "convert",
    "even_parts",
    "head_nats",
    "is_converted",
    "open_converted",
    "open_parts",
    "part_nats",
]

__getattr__, __dir__ = lazy.attach(__name__, _OFFERED)
