"""Analyses: metrics of a table of trials, each with a 95 % confidence interval.

Metrics, one a file: ``accuracy``, ``ood_accuracy``, ``shape_bias``, ``error_consistency``,
``observed_consistency``, ``squared_accuracy_difference``, ``response_entropy``, ``reaction_time``,
``shape_match``, ``texture_match``, ``expected_calibration_error``. :func:`metrics` lists them and
those of other packages; :func:`metric` declares a new one.

Beside them: ``benchmark`` (the model-vs-human table), ``difference_from_people`` (each model less
people), ``compare`` (a paired test of two observers),
``pairwise_consistency`` and ``pairwise_means`` (every two observers), ``confusion`` (confusion
matrices), ``group_accuracy`` (pairs of images that are all right), ``psychometric`` (the point of
subjective equality on a dial), ``speed_accuracy`` (accuracy by deadline), ``doubt`` (distributions
over classes beside people's), ``shape_preference`` (shape over texture by rank) and ``power``
(trials that a study needs).

All take the trial table as a polars DataFrame or LazyFrame, or as a pandas DataFrame, which gives
pandas back. ``population`` says what an interval lets vary: new stimuli, new people, or both; each
row of a table names it. ``by="observer"`` is the same as ``by=["observer"]``, and ``resamples=0``
leaves the intervals out.
"""

# Imported at once: each metric has the name of its module, which would hide it from a lazy import.
from synthesight.analysis._stats.agreement import (
    IS_HUMAN,
    PARTICIPANT,
    PEOPLE,
    with_people,
)
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.pairs import Agreement
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.analysis._stats.units import (
    POPULATION,
    POPULATIONS,
    Population,
    check_population,
    population_in_words,
)
from synthesight.analysis.accuracy import accuracy
from synthesight.analysis.benchmark import BENCHMARK_METRICS, benchmark
from synthesight.analysis.compare import Difference, compare, comparisons
from synthesight.analysis.confusion import confusion
from synthesight.analysis.difference_from_people import difference_from_people
from synthesight.analysis.doubt import doubt, read_answers
from synthesight.analysis.error_consistency import error_consistency, kappa
from synthesight.analysis.expected_calibration_error import (
    expected_calibration_error,
    reliability,
)
from synthesight.analysis.group_accuracy import group_accuracy
from synthesight.analysis.observed_consistency import observed_consistency
from synthesight.analysis.ood_accuracy import ood_accuracy
from synthesight.analysis.pairwise import pairwise_consistency, pairwise_means
from synthesight.analysis.power import joint_probabilities, power, trials_needed
from synthesight.analysis.psychometric import (
    equality_difference,
    psychometric,
    psychometric_curve,
    psychometric_points,
)
from synthesight.analysis.published import published_figures
from synthesight.analysis.reaction_time import reaction_time
from synthesight.analysis.registry import Metric, get_metric, metric, metrics
from synthesight.analysis.response_entropy import response_entropy
from synthesight.analysis.shape_bias import shape_bias
from synthesight.analysis.shape_match import shape_match, texture_match
from synthesight.analysis.shape_preference import shape_preference
from synthesight.analysis.speed_accuracy import speed_accuracy
from synthesight.analysis.squared_accuracy_difference import squared_accuracy_difference

__all__ = [
    "BENCHMARK_METRICS",
    "IS_HUMAN",
    "PARTICIPANT",
    "PEOPLE",
    "POPULATION",
    "POPULATIONS",
    "RESAMPLES",
    "Agreement",
    "Difference",
    "Metric",
    "Population",
    "Ratio",
    "accuracy",
    "benchmark",
    "check_population",
    "compare",
    "comparisons",
    "confusion",
    "difference_from_people",
    "doubt",
    "equality_difference",
    "error_consistency",
    "expected_calibration_error",
    "get_metric",
    "group_accuracy",
    "joint_probabilities",
    "judged",
    "kappa",
    "metric",
    "metrics",
    "observed_consistency",
    "ood_accuracy",
    "pairwise_consistency",
    "pairwise_means",
    "population_in_words",
    "power",
    "psychometric",
    "psychometric_curve",
    "psychometric_points",
    "published_figures",
    "reaction_time",
    "read_answers",
    "reliability",
    "response_entropy",
    "shape_bias",
    "shape_match",
    "shape_preference",
    "speed_accuracy",
    "squared_accuracy_difference",
    "texture_match",
    "trials_needed",
    "with_people",
    "without_trivial",
]
