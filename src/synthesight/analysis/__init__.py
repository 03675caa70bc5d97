"""What trials say: each measure with its interval.

``accuracy``, ``ood_accuracy``; ``shape_bias``; ``error_consistency``, ``observed_consistency``,
``accuracy_difference``, ``pairwise_consistency``; ``benchmark``; ``compare``; ``power``.
"""

from synthesight.analysis.accuracy import accuracy, ood_accuracy
from synthesight.analysis.benchmark import benchmark
from synthesight.analysis.compare import Difference, compare
from synthesight.analysis.error_consistency import (
    accuracy_difference,
    error_consistency,
    observed_consistency,
    pairwise_consistency,
)
from synthesight.analysis.power import power
from synthesight.analysis.shape_bias import shape_bias

__all__ = [
    "Difference",
    "accuracy",
    "accuracy_difference",
    "benchmark",
    "compare",
    "error_consistency",
    "observed_consistency",
    "ood_accuracy",
    "pairwise_consistency",
    "power",
    "shape_bias",
]
