"""Labels: what models of ImageNet's classes are prompted with."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from synthesight.errors import SynthesightError


def read_labels(prompts: Sequence[str], count: int, name: str) -> torch.Tensor:
    """Return the labels that prompts are the numbers of: int64, shape (K,).

    Parameters
    ----------
    prompts
        Such as ``"281"``.
    count
        Labels that the model knows.
    name
        How messages call the model.

    Raises
    ------
    SynthesightError
        If one is no number from 0 to ``count`` − 1.

    Examples
    --------
    >>> read_labels(["281", "7"], 1000, "var")
    tensor([281,   7])
    """
    for prompt in prompts:
        if not prompt.isdecimal() or int(prompt) >= count:
            raise SynthesightError(
                f"{name} knows labels from 0 to {count - 1}, and not {prompt!r}: give `labels` as "
                'numbers, such as {"cat": [281, 282]}.'
            )
    return torch.tensor([int(prompt) for prompt in prompts])
