"""Compute the same bits whatever else is computed beside it.

The last bits of a network's output depend on the shape of the batch, since libraries choose their
kernels by it, and may depend on the number of threads and the memory format. So all of these are
fixed: batches are filled up to ``BATCH``, one thread computes, nothing is compiled. Measured on
CPUs: in batches of one shape, the bits of a row depend neither on its neighbours nor on its place.
Several processes on one run use more cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from synthesight.errors import SynthesightError

BATCH = 16


@contextmanager
def reproducibly() -> Iterator[None]:
    """Let torch use one thread and deterministic kernels only."""
    # Read when a GPU is first used, not before.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    strict = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise SynthesightError(
            "The model computes what this device cannot do twice alike "
            f"({str(error).split(', but')[0]}): leave out `reproducible`, or use `device=cpu`."
        ) from error
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(strict)
