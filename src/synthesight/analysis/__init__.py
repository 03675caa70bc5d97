"""What trials say: each measure with its interval.

``accuracy``, ``ood_accuracy``; ``shape_bias``; ``error_consistency``, ``observed_consistency``,
``accuracy_difference``, ``pairwise_consistency``, ``pairwise_means``; ``benchmark``;
``confusion``, ``response_entropy``; ``compare``; ``power``. With ``resamples=0`` none has
intervals.
"""

from synthesight.analysis.accuracy import accuracy, ood_accuracy
from synthesight.analysis.benchmark import benchmark
from synthesight.analysis.compare import Difference, compare
from synthesight.analysis.confusion import confusion
from synthesight.analysis.entropy import response_entropy
from synthesight.analysis.error_consistency import (
    accuracy_difference,
    error_consistency,
    observed_consistency,
    pairwise_consistency,
    pairwise_means,
)
from synthesight.analysis.power import power
from synthesight.analysis.shape_bias import shape_bias

__all__ = [
    "Difference",
    "accuracy",
    "accuracy_difference",
    "benchmark",
    "compare",
    "confusion",
    "error_consistency",
    "observed_consistency",
    "ood_accuracy",
    "pairwise_consistency",
    "pairwise_means",
    "power",
    "response_entropy",
    "shape_bias",
]
