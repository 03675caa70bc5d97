"""Figures printed in papers, for reference lines and for checks of our own."""

from __future__ import annotations

# On cue-conflict images: Jaini, Clark & Geirhos (2024), Intriguing properties of generative
# classifiers, ICLR.
SHAPE_BIAS = {
    "people": 0.96,
    "Imagen": 0.99,
    "Stable Diffusion": 0.93,
    "Parti": 0.92,
    "ResNet-50": 0.21,
}

# Networks whose trials were published with the stimuli, what our metric must reproduce: Geirhos et
# al. (2019), ImageNet-trained CNNs are biased towards texture, ICLR.
SHAPE_BIAS_2019 = {"alexnet": 0.429, "vgg": 0.172, "googlenet": 0.312, "resnet50": 0.221}

# κ on cue-conflict images; people is the mean over all pairs of two. The networks of that paper are
# torchvision's, not those whose trials were published in 2019: Geirhos, Meding & Wichmann (2020),
# Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by measuring error
# consistency, NeurIPS.
ERROR_CONSISTENCY_2020 = {"people": 0.331, "resnet50": 0.068, "alexnet": 0.080}

# The same paper, table 1: accuracies of subject-01 to subject-10.
ACCURACY_2020 = {
    "cue-conflict": (0.69, 0.76, 0.84, 0.62, 0.85, 0.82, 0.76, 0.78, 0.86, 0.77),
    "edge": (0.89, 0.94, 0.93, 0.84, 0.89, 0.93, 0.81, 0.96, 0.61, 0.92),
    "silhouette": (0.80, 0.66, 0.80, 0.78, 0.77, 0.72, 0.76, 0.64, 0.76, 0.85),
}
