"""Name the weights of a network, so that no run is taken for another network's."""

from __future__ import annotations

import hashlib

import torch

SAMPLE = 256  # values of each tensor: every training changes nearly all of them


def weights_hash(network: object) -> str | None:
    """Return a hash of a network's weights, the same on every device; None if it is none.

    Of each parameter and buffer its shape and ``SAMPLE`` evenly spaced values count, so that a
    network of many gigabytes takes no longer to name than a small one.
    """
    if not isinstance(network, torch.nn.Module):
        return None
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (*network.parameters(), *network.buffers()):
        count = min(SAMPLE, tensor.numel())
        place = (
            torch.arange(count, device=tensor.device) * (tensor.numel() - 1) // max(count - 1, 1)
        )
        # By index, as flattening would copy a tensor that is stored channels last.
        values = tensor.detach()[torch.unravel_index(place, tensor.shape)]
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(values.cpu().double().numpy().tobytes())
    return digest.hexdigest()
