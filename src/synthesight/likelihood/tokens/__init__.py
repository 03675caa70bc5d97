"""Models of image tokens: what each prompt says of the codes that an image is made of.

A tokenizer turns an image into codes, once; a network gives each code a probability. All models
here share :mod:`~synthesight.likelihood.tokens.nats`: log-probabilities over image codes alone,
from float32 logits, summed in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.tokens.nats import (
        check_codebook,
        check_codes,
        code_nats,
        even_parts,
        head_nats,
        part_nats,
    )

_OFFERED = {
    "nats": [
        "check_codebook",
        "check_codes",
        "code_nats",
        "even_parts",
        "head_nats",
        "part_nats",
    ],
}

__all__ = [
    "check_codebook",
    "check_codes",
    "code_nats",
    "even_parts",
    "head_nats",
    "part_nats",
]

__getattr__, __dir__ = lazy.attach(__name__, _OFFERED)
