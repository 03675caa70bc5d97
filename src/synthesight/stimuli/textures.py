"""Textures of seven categories, made by us from filtered noise and simple gratings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

Chance = np.random.Generator


def texture(category: str, size: int, chance: Chance) -> np.ndarray:
    """A surface: uint8, shape (size, size, 3).

    Parameters
    ----------
    category
        One of :data:`TEXTURES`.
    size
        Side, in pixels.
    chance
        Where the variation comes from.
    """
    return (255 * np.clip(_TEXTURES[category](size, chance), 0, 1)).astype(np.uint8)


def _noise(size: int, chance: Chance, *sigma: float) -> np.ndarray:
    """Filtered noise of mean 0 and standard deviation 1."""
    field = gaussian_filter(chance.standard_normal((size, size)), sigma, mode="wrap")
    return (field - field.mean()) / field.std()


def _mixed(share: np.ndarray, first: tuple[float, ...], second: tuple[float, ...]) -> np.ndarray:
    share = np.clip(share, 0, 1)[..., None]
    return share * np.array(first) + (1 - share) * np.array(second)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:size, 0:size] * (224 / size)
    return y, x


def _airplane(size: int, chance: Chance) -> np.ndarray:
    """White panels with seams and rivets, a blue band of windows."""
    y, x = _grid(size)
    seams = (x % 44 < 1.5) | (y % 36 < 1.5)
    rivets = ((x % 44 - 22) % 8 < 2) & (y % 36 < 5) & (y % 36 > 3)
    shade = 0.93 - 0.1 * np.cos(2 * np.pi * y / 72) - 0.25 * seams - 0.2 * rivets
    base = np.repeat(shade[..., None], 3, axis=2) * np.array([0.97, 0.98, 1.0])
    windows = (np.abs(y % 72 - 36) < 6) & (np.abs(x % 16 - 8) < 4)
    base[windows] = (0.25, 0.4, 0.65)
    return base + 0.01 * _noise(size, chance, 1, 1)[..., None]


def _bird(size: int, chance: Chance) -> np.ndarray:
    """Rows of overlapping feathers."""
    y, x = _grid(size)
    row = np.floor(y / 14)
    across = (x + 10 * (row % 2)) % 20 - 10
    down = y % 14
    edge = down - 12 * np.sqrt(np.clip(1 - (across / 10) ** 2, 0, 1))
    rib = np.exp(-np.abs(across) / 1.2)
    barbs = 0.5 + 0.5 * np.sin(2.2 * (down + np.abs(across)))
    share = 0.55 + 0.25 * np.tanh(edge / 2) + 0.12 * barbs - 0.2 * rib
    return _mixed(share + 0.08 * _noise(size, chance, 6, 6), (0.30, 0.42, 0.62), (0.85, 0.70, 0.42))


def _boat(size: int, chance: Chance) -> np.ndarray:
    """Planks of wood with grain."""
    y, x = _grid(size)
    plank = np.floor(y / 22)
    grain = _noise(size, chance, 0.8, 14)
    tone = np.sin(12.9898 * plank + 4.1) * 0.12
    gap = (y % 22 < 1.8) | ((x + 61 * (plank % 3)) % 130 < 1.8)
    share = 0.6 + tone + 0.13 * grain - 0.5 * gap
    return _mixed(share, (0.72, 0.48, 0.26), (0.28, 0.15, 0.07))


def _car(size: int, chance: Chance) -> np.ndarray:
    """Glossy red paint with soft reflections."""
    y, _ = _grid(size)
    soft = _noise(size, chance, 26, 60)
    gloss = np.exp(-(((y - 62 - 12 * soft) / 16) ** 2))
    low = np.exp(-(((y - 160 - 9 * soft) / 26) ** 2))
    base = _mixed(0.75 + 0.15 * soft - 0.5 * low, (0.80, 0.05, 0.06), (0.25, 0.0, 0.02))
    return base + 0.75 * gloss[..., None]


def _cat(size: int, chance: Chance) -> np.ndarray:
    """Ginger tabby: stripes under short fur."""
    y, x = _grid(size)
    stripes = np.sin(2 * np.pi * (x + 9 * _noise(size, chance, 14, 14)) / 30 + 0.01 * y)
    fur = _noise(size, chance, 3.5, 0.7)
    share = 0.5 + 0.4 * np.tanh(1.6 * stripes) + 0.16 * fur
    return _mixed(share, (0.93, 0.66, 0.36), (0.58, 0.27, 0.09))


def _dog(size: int, chance: Chance) -> np.ndarray:
    """White coat with brown patches and long hair."""
    patches = np.tanh(4 * (_noise(size, chance, 20, 20) - 0.1))
    hair = _noise(size, chance, 7, 1.1)
    base = _mixed(0.5 + 0.5 * patches, (0.40, 0.24, 0.12), (0.94, 0.91, 0.86))
    return base * (1 + 0.13 * hair[..., None])


def _truck(size: int, chance: Chance) -> np.ndarray:
    """Corrugated sheet in container orange, with rust."""
    _, x = _grid(size)
    wave = np.tanh(2.5 * np.sin(2 * np.pi * x / 18))
    rust = np.clip(_noise(size, chance, 10, 3) - 1.1, 0, 1)
    base = _mixed(0.55 + 0.3 * wave, (0.95, 0.55, 0.10), (0.62, 0.30, 0.03))
    return _mixed(1 - rust, (1, 1, 1), (0.35, 0.2, 0.15)) * base


_TEXTURES: dict[str, Callable[[int, Chance], np.ndarray]] = {
    "airplane": _airplane,
    "bird": _bird,
    "boat": _boat,
    "car": _car,
    "cat": _cat,
    "dog": _dog,
    "truck": _truck,
}

TEXTURES = tuple(_TEXTURES)
