"""Published figures, for reference lines; each with its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published figure.

    Attributes
    ----------
    value
        As printed.
    source
        Where it was printed.
    """

    value: float
    source: str


_JAINI = "Jaini, Clark & Geirhos (2024), Intriguing properties of generative classifiers, ICLR"
_GEIRHOS = "Geirhos et al. (2019), ImageNet-trained CNNs are biased towards texture, ICLR"

# On cue-conflict images.
SHAPE_BIAS_PUBLISHED: dict[str, Published] = {
    "people": Published(0.96, _JAINI),
    "Imagen": Published(0.99, _JAINI),
    "Stable Diffusion": Published(0.93, _JAINI),
    "Parti": Published(0.92, _JAINI),
    "ResNet-50": Published(0.21, _JAINI),
}

# Of the networks whose trials were published with the stimuli: what our measure must reproduce.
SHAPE_BIAS_2019: dict[str, Published] = {
    "alexnet": Published(0.429, _GEIRHOS),
    "vgg": Published(0.172, _GEIRHOS),
    "googlenet": Published(0.312, _GEIRHOS),
    "resnet50": Published(0.221, _GEIRHOS),
}

SHAPE_BIAS = {name: figure.value for name, figure in SHAPE_BIAS_PUBLISHED.items()}
