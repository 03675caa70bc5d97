"""Published figures, for reference lines; each with its source."""

from __future__ import annotations

# Shape bias on cue-conflict images: Jaini, Clark & Geirhos (2024), figure 1 and text.
SHAPE_BIAS = {
    "people": 0.96,
    "Imagen": 0.99,
    "Stable Diffusion": 0.93,
    "Parti": 0.92,
    "ResNet-50": 0.21,
}
