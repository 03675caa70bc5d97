"""Draws: the (time, noise) pairs with which a model's error on an image is measured.

Every draw is a pure function of (seed, stimulus id, draw index). Nothing else enters, so a result
does not depend on batch size, order, sharding or resumption. Noise comes from the counter-based
generator Philox (Salmon et al. 2011), whose key is a hash of seed and stimulus id and whose
counter is the draw index. Times follow the golden-ratio sequence, which covers (0, 1) evenly
after any number of draws, shifted by a random offset per stimulus (a Cranley-Patterson rotation),
so that the mean over draws stays unbiased.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

A_THREAD = 2**17  # numbers that take so long to draw, a millisecond, that a thread is worth it
GOLDEN = (5**0.5 - 1) / 2
TREND = 3  # cosines that stand for how errors change with a draw's time


def stimulus_key(seed: int, stimulus_id: str) -> np.ndarray:
    """128-bit generator key of a stimulus, uint64, shape (2,)."""
    digest = hashlib.blake2b(f"{seed}\0{stimulus_id}".encode(), digest_size=16).digest()
    return np.frombuffer(digest, dtype="<u8").copy()


def uniforms(keys: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Position in (0, 1) of each draw's time, before the proposal is applied.

    Parameters
    ----------
    keys
        uint64, shape (B, 2): the stimulus key of each draw.
    index
        int64, shape (B,): draw indices.

    Returns
    -------
    float64, shape (B,).
    """
    offset = (keys[:, 0] >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (offset + index * GOLDEN) % 1.0


def trend_basis(position: np.ndarray) -> np.ndarray:
    """Smooth functions of a draw's position, each of sum 0 over an image's N draws.

    Positions in (0, 1), from :func:`uniforms`, are float64 (B, N); the functions, (B, N,
    ``TREND``), are cos(π u), cos(2 π u), …, less their means over the N draws.
    """
    waves = np.cos(np.pi * position[:, :, None] * np.arange(1, TREND + 1))
    return waves - waves.mean(axis=1, keepdims=True)


def normal_noise(keys: np.ndarray, index: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Standard normal noise of each draw.

    Parameters
    ----------
    keys, index
        As in :func:`uniforms`.
    shape
        Shape of one encoded image.

    Returns
    -------
    float32, shape (B, *shape).
    """
    noise = np.empty((len(index), *shape), dtype=np.float32)

    def fill(row: int) -> None:
        # One generator a draw is what makes a draw independent of its batch; it costs microseconds,
        # and the draw is shared by all classes.
        counter = np.array([0, 0, index[row], 0], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=keys[row], counter=counter))
        generator.standard_normal(out=noise[row], dtype=np.float32)

    workers = min(len(index), usable_cores(), noise.size // A_THREAD)
    if workers < 2:
        for row in range(len(index)):
            fill(row)
    else:
        # A pool for each call: threads that are kept would be missing from forked processes.
        with ThreadPoolExecutor(workers, thread_name_prefix="noise") as pool:
            list(pool.map(fill, range(len(index)), chunksize=1))
    return noise


def usable_cores() -> int:
    """How many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
