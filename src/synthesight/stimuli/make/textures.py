"""Textures of the 16 categories, made by us from filtered noise and simple gratings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

Chance = np.random.Generator


def texture(category: str, size: int, chance: Chance) -> np.ndarray:
    """Draw the texture of a category: uint8, shape (size, size, 3).

    Parameters
    ----------
    category
        One of :data:`TEXTURES`.
    size
        Side, in pixels.
    chance
        Random generator of the variation.
    """
    return (255 * np.clip(_TEXTURES[category](size, chance), 0, 1)).astype(np.uint8)


def _noise(size: int, chance: Chance, *sigma: float) -> np.ndarray:
    """Return filtered noise of mean 0 and standard deviation 1."""
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


def _bear(size: int, chance: Chance) -> np.ndarray:
    """Shaggy dark brown fur, in tufts that part."""
    y, x = _grid(size)
    bend = 10 * _noise(size, chance, 22, 22)
    tufts = np.sin(2 * np.pi * (x + bend) / 17 + 3 * _noise(size, chance, 12, 5))
    hair = _noise(size, chance, 6, 0.8)
    share = 0.45 + 0.2 * tufts * np.sin(2 * np.pi * (y + bend) / 46) + 0.22 * hair
    return _mixed(share, (0.50, 0.32, 0.18), (0.10, 0.06, 0.04))


def _bicycle(size: int, chance: Chance) -> np.ndarray:
    """Rows of roller chain over a dark frame: links with two pins."""
    y, x = _grid(size)
    row = np.floor(y / 20)
    across = (x + 16 * (row % 2) + 5 * np.sin(2.4 * row)) % 32 - 16
    down = y % 20 - 10
    pin = np.hypot(np.abs(across) - 9, down)
    waist = 3.4 + 2.6 * (across / 9) ** 2
    link = (np.abs(across) < 15) & (np.abs(down) < np.minimum(waist, 7.5))
    metal = 0.62 - 0.035 * down + 0.05 * _noise(size, chance, 1, 4)
    tone = np.where(link, metal, 0.10)
    tone = np.where(pin < 4.2, 0.88 - 0.04 * down, tone)
    tone = np.where(pin < 1.8, 0.15, tone)
    return tone[..., None] * np.array([0.92, 0.97, 1.0])


def _bottle(size: int, chance: Chance) -> np.ndarray:
    """Green glass: caustics, tall highlights and small bubbles."""
    _, x = _grid(size)
    soft = _noise(size, chance, 30, 9)
    waves = np.abs(_noise(size, chance, 14, 6))
    light = np.exp(-(((x % 75 - 22 - 5 * soft) / 5) ** 2))
    bubbles = np.clip(_noise(size, chance, 2, 2) - 2.3, 0, 1)
    base = _mixed(0.55 + 0.2 * soft - 0.18 * waves, (0.10, 0.52, 0.22), (0.01, 0.16, 0.07))
    return base + (0.7 * light + bubbles)[..., None] * np.array([0.8, 1.0, 0.85])


def _chair(size: int, chance: Chance) -> np.ndarray:
    """Woven cane: strands over and under each other."""
    y, x = _grid(size)
    column, row = np.floor(x / 12), np.floor(y / 12)
    over = (column + row) % 2 == 0
    along = np.where(over, x % 12, y % 12) / 12
    across = np.where(over, y % 12, x % 12) / 12
    arch = np.sin(np.pi * along) ** 0.5
    fibre = 0.06 * np.cos(2 * np.pi * 4 * across) + 0.05 * _noise(size, chance, 1.5, 1.5)
    share = arch * (0.55 + 0.45 * np.sin(np.pi * across)) + fibre
    return _mixed(share, (0.93, 0.80, 0.52), (0.38, 0.24, 0.10))


def _clock(size: int, chance: Chance) -> np.ndarray:
    """Small dials side by side, each with twelve marks and its own time."""
    y, x = _grid(size)
    side = 56
    place = (np.floor(y / side) * 8 + np.floor(x / side)).astype(int)
    radius = np.hypot(x % side - side / 2, y % side - side / 2)
    angle = np.arctan2(y % side - side / 2, x % side - side / 2)
    face = np.ones((size, size, 3)) * np.array([0.97, 0.95, 0.86])
    marks = (np.abs((angle / (np.pi / 6) + 0.5) % 1 - 0.5) * radius < 2.6) & (radius > 19)
    hands = np.zeros((size, size), dtype=bool)
    for length, width in ((17, 1.3), (11, 2.0)):
        turn = angle - chance.uniform(-np.pi, np.pi, 64)[place]
        hands |= (np.abs(radius * np.sin(turn)) < width) & (np.cos(turn) > 0) & (radius < length)
    face[(marks & (radius < 23)) | hands] = (0.08, 0.08, 0.12)
    face[radius > 24] = (0.72, 0.55, 0.20)
    face[radius > 27] = (0.20, 0.12, 0.08)
    return face + 0.01 * _noise(size, chance, 1, 1)[..., None]


def _elephant(size: int, chance: Chance) -> np.ndarray:
    """Grey hide, cut up by a net of wrinkles."""
    coarse, fine = _noise(size, chance, 7, 12), _noise(size, chance, 2.6, 4.5)
    wrinkles = np.exp(-np.abs(coarse) / 0.13) + 0.7 * np.exp(-np.abs(fine) / 0.16)
    share = 0.66 + 0.12 * _noise(size, chance, 26, 26) - 0.5 * wrinkles
    share = share + 0.07 * _noise(size, chance, 0.8, 0.8)
    return _mixed(share, (0.55, 0.52, 0.50), (0.18, 0.16, 0.16))


def _keyboard(size: int, chance: Chance) -> np.ndarray:
    """Black keys in staggered rows, each with a light sign."""
    y, x = _grid(size)
    side = 26
    row = np.floor(y / side)
    shifted = x + 9 * (row % 3)
    across, down = shifted % side - side / 2, y % side - side / 2
    key = np.maximum(np.abs(across), np.abs(down))
    tone = np.where(key < 11, 0.24 - 0.006 * down, 0.05)
    tone = np.where(np.abs(key - 11) < 1.0, 0.38, tone)
    # Signs of three by five dots, as on the displays of old; each key its own.
    dots = chance.random((12, 12, 5, 3)) < 0.6
    column, line = np.floor((across + 5) / 3.4).astype(int), np.floor((down + 8) / 3).astype(int)
    within = (column >= 0) & (column < 3) & (line >= 0) & (line < 5)
    sign = dots[
        row.astype(int) % 12,
        np.floor(shifted / side).astype(int) % 12,
        np.clip(line, 0, 4),
        np.clip(column, 0, 2),
    ]
    tone = np.where(within & sign, 0.92, tone)
    return np.repeat((tone + 0.01 * _noise(size, chance, 1, 1))[..., None], 3, axis=2)


def _knife(size: int, chance: Chance) -> np.ndarray:
    """Damascus steel: brushed bands that flow round each other."""
    y, _ = _grid(size)
    flow = y + 16 * _noise(size, chance, 9, 24)
    bands = np.tanh(2.2 * np.sin(2 * np.pi * flow / 15))
    brushed = _noise(size, chance, 0.6, 18)
    share = 0.56 + 0.24 * bands + 0.06 * brushed
    return _mixed(share, (0.88, 0.92, 0.97), (0.22, 0.25, 0.31))


def _oven(size: int, chance: Chance) -> np.ndarray:
    """Glowing bars behind a dark grid."""
    y, x = _grid(size)
    bar = np.exp(-(((y % 28 - 14 - 1.5 * _noise(size, chance, 4, 40)) / 4.2) ** 2))
    heat = bar * (0.95 + 0.1 * _noise(size, chance, 6, 20))
    glow = np.stack([1.25 * heat + 0.16, 0.62 * heat**1.6 + 0.04, 0.22 * heat**3 + 0.03], axis=-1)
    wires = (x % 19 < 4) | (np.abs(y % 84 - 70) < 3)
    glow[wires] = 0.10 + 0.12 * np.array([1.0, 0.9, 0.85])
    return glow


# The place of a category gives its random numbers, as in shapes.py: new ones go to the end.
_TEXTURES: dict[str, Callable[[int, Chance], np.ndarray]] = {
    "airplane": _airplane,
    "bird": _bird,
    "boat": _boat,
    "car": _car,
    "cat": _cat,
    "dog": _dog,
    "truck": _truck,
    "bear": _bear,
    "bicycle": _bicycle,
    "bottle": _bottle,
    "chair": _chair,
    "clock": _clock,
    "elephant": _elephant,
    "keyboard": _keyboard,
    "knife": _knife,
    "oven": _oven,
}

TEXTURES = tuple(_TEXTURES)
