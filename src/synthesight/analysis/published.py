"""Figures printed in papers, for reference lines, each with its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One printed figure.

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
_MEDING = (
    "Geirhos, Meding & Wichmann (2020), Beyond accuracy: quantifying trial-by-trial behaviour of "
    "CNNs and humans by measuring error consistency, NeurIPS"
)
_GEIRHOS = "Geirhos et al. (2019), ImageNet-trained CNNs are biased towards texture, ICLR"

# On cue-conflict images.
SHAPE_BIAS_PUBLISHED: dict[str, Published] = {
    "people": Published(0.96, _JAINI),
    "Imagen": Published(0.99, _JAINI),
    "Stable Diffusion": Published(0.93, _JAINI),
    "Parti": Published(0.92, _JAINI),
    "ResNet-50": Published(0.21, _JAINI),
}

# Networks whose trials were published with the stimuli: what our metric must reproduce.
SHAPE_BIAS_2019: dict[str, Published] = {
    "alexnet": Published(0.429, _GEIRHOS),
    "vgg": Published(0.172, _GEIRHOS),
    "googlenet": Published(0.312, _GEIRHOS),
    "resnet50": Published(0.221, _GEIRHOS),
}

# κ on cue-conflict images; people is the mean over all pairs of two. The networks of that paper are
# torchvision's, not those whose trials were published in 2019.
ERROR_CONSISTENCY_2020: dict[str, Published] = {
    "people": Published(0.331, _MEDING),
    "resnet50": Published(0.068, _MEDING),
    "alexnet": Published(0.080, _MEDING),
}

# Table 1: accuracies of subject-01 to subject-10.
ACCURACY_2020: dict[str, tuple[float, ...]] = {
    "cue-conflict": (0.69, 0.76, 0.84, 0.62, 0.85, 0.82, 0.76, 0.78, 0.86, 0.77),
    "edge": (0.89, 0.94, 0.93, 0.84, 0.89, 0.93, 0.81, 0.96, 0.61, 0.92),
    "silhouette": (0.80, 0.66, 0.80, 0.78, 0.77, 0.72, 0.76, 0.64, 0.76, 0.85),
}

SHAPE_BIAS = {name: figure.value for name, figure in SHAPE_BIAS_PUBLISHED.items()}
