"""From logits of image codes to nats: what all models of image tokens share.

Logits are float32 whatever the network computes in: a bfloat16 logit of 20 is off by up to 0.06,
and an image has hundreds of codes. Their softmax is over image codes alone, since a model that
draws images never writes a word in the middle of one. Sums are float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.denoiser import NonFiniteOutput
from synthesight.likelihood.device import in_float64

LOGITS = 2**26
"""Logits that exist at once: 256 MiB of float32, however many images, tokens and codes."""

MASKED = -1e30
"""What is below has been masked: transformers fills with the least float, and not with −inf."""


def code_nats(logits: Tensor, codes: Tensor, *, name: str) -> Tensor:
    """Return log p of codes, int64 (...), by logits (..., C) of image codes alone: float64 (...).

    Raises NonFiniteOutput if a logit is NaN or −inf, for which the least number that a float can be
    stands as well.

    Examples
    --------
    >>> code_nats(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64), name="even")[0, 0]
    tensor(-1.3863, dtype=torch.float64)
    """
    logits = logits.float()
    own = in_float64(logits.gather(-1, codes[..., None])[..., 0])
    nats = own - in_float64(logits.logsumexp(dim=-1))
    # A NaN or +inf is also in the sum. A masked logit would not be: it is just never chosen.
    if not (torch.isfinite(nats).all() and (logits > MASKED).all()):
        raise NonFiniteOutput(
            f"{name} gave image codes logits that are −inf or NaN: run it in float32, and check "
            "that its weights are whole and that its head can make images."
        )
    return nats


def head_nats(
    hidden: Tensor,
    head: Callable[[Tensor], Tensor],
    codes: Tensor,
    *,
    count: int,
    name: str,
    most: int = LOGITS,
) -> Tensor:
    """Return log p of codes, int64 (B, N), from hidden states, (B, N, width), in bounded memory.

    The head takes (rows, width) and gives logits of the ``count`` image codes; at most ``most``
    logits exist at once. Raises NonFiniteOutput as :func:`code_nats` does.

    Examples
    --------
    >>> hidden, codes = torch.eye(4)[None], torch.arange(4)[None]
    >>> head_nats(hidden, lambda rows: 9 * rows, codes, count=4, name="sure").round(decimals=4)
    tensor([[-0.0004, -0.0004, -0.0004, -0.0004]], dtype=torch.float64)
    """
    rows = max(1, most // count)
    pieces = zip(hidden.flatten(0, 1).split(rows), codes.flatten().split(rows), strict=True)
    found = [code_nats(head(states), own, name=name) for states, own in pieces]
    return torch.cat(found).reshape(codes.shape)


def drawn_codes(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw a code from each row of logits, (B, C), by a number from 0 to 1, float64 (B,)."""
    total = in_float64(logits).softmax(dim=1).cumsum(dim=1)
    drawn = torch.searchsorted(total, uniform[:, None].contiguous(), right=True)[:, 0]
    return drawn.clamp(max=logits.shape[1] - 1).to(logits.device)


def part_nats(nats: Tensor, edges: Sequence[int]) -> Tensor:
    """Return the sums of tokens' nats, (B, N), over parts: float64, shape (B, P).

    Part p has the tokens ``edges[p]`` to ``edges[p + 1]`` − 1. Tokens outside of all parts do not
    count.

    Examples
    --------
    >>> part_nats(torch.tensor([[1.0, 2.0, 3.0]]), (0, 2, 3))
    tensor([[3., 3.]], dtype=torch.float64)
    """
    sums = torch.nn.functional.pad(in_float64(nats).cumsum(dim=1), (1, 0))
    return sums[:, list(edges[1:])] - sums[:, list(edges[:-1])]


def even_parts(tokens: int, parts: int) -> tuple[int, ...]:
    """Return the edges of parts of as nearly the same number of tokens as can be.

    Examples
    --------
    >>> even_parts(10, 4)
    (0, 2, 5, 8, 10)
    """
    return tuple(np.linspace(0, tokens, parts + 1).round().astype(int).tolist())


def check_codes(codes: Tensor, count: int, *, name: str) -> Tensor:
    """Return the codes as int64, once they are sure to be from 0 to ``count`` − 1."""
    least, most = int(codes.min()), int(codes.max())
    if least < 0 or most >= count:
        raise SynthesightError(
            f"The tokenizer of {name} gave the code {least if least < 0 else most}, and its "
            f"network knows {count} codes from 0: download or save the model again, with its own "
            "tokenizer."
        )
    return codes.long()


def check_codebook(codebook: Tensor, count: int, *, name: str, direction: bool = False) -> None:
    """Check the vectors, (``count``, width), that a tokenizer chooses among.

    Where only their directions count, none may be zero.
    """
    advice = "download or save the model again, with its own tokenizer"
    if len(codebook) != count:
        raise SynthesightError(
            f"The codebook of {name} has {len(codebook)} vectors, and its network knows {count} "
            f"codes: {advice}."
        )
    length = codebook.float().norm(dim=1)
    bad = ~torch.isfinite(length) | (length == 0 if direction else torch.zeros_like(length).bool())
    if bad.any():
        row = int(bad.nonzero()[0])
        what = "has no direction" if length[row] == 0 else "is not finite"
        raise SynthesightError(f"Vector {row} of the codebook of {name} {what}: {advice}.")
