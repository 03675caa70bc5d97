"""Every measure on trials with gaps, against definitions written out in plain Python.

Repeated stimuli, missing responses, unreadable stimuli, and observers who saw different subsets.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from statistics import fmean

import polars as pl
import pytest

from synthesight.analysis import (
    accuracy,
    benchmark,
    compare,
    confusion,
    error_consistency,
    observed_consistency,
    ood_accuracy,
    pairwise_consistency,
    response_entropy,
    shape_bias,
    squared_accuracy_difference,
)
from synthesight.stimuli.datasets import datasets

CATEGORIES = ("cat", "dog", "car")
CONDITIONS = (("contrast", "c50"), ("contrast", "c30"), ("contrast", "c01"), ("cue-conflict", "0"))
PEOPLE = ("subject-01", "subject-02", "subject-03")
MODELS = ("m1", "m2", "m3")


@pytest.fixture(scope="module", params=range(6))
def rows(request):
    """Trials as a list of dicts, of which every kind of gap is a part."""
    rng = random.Random(request.param)
    rows = []
    for observer in (*PEOPLE, *MODELS):
        for dataset, condition in CONDITIONS:
            if (observer, dataset) == ("m3", "cue-conflict"):
                continue  # who was in one dataset only
            for number in range(14):
                if rng.random() < 0.2:
                    continue  # a subset of the stimuli
                category = CATEGORIES[number % 3]
                for session in range(1, rng.choice((2, 2, 2, 3))):
                    named = rng.choice((*CATEGORIES, category, category, None))
                    unreadable = observer in MODELS and rng.random() < 0.05
                    rows.append(
                        {
                            "observer": observer,
                            "kind": "human" if observer in PEOPLE else "generative",
                            "dataset": dataset,
                            "condition": condition,
                            # Repeated in another session, or in the same one.
                            "session": session if dataset == "contrast" else 1,
                            "stimulus": f"{dataset}/{condition}/{number}.png",
                            "category": category,
                            "texture": CATEGORIES[(number // 3) % 3]
                            if dataset == "cue-conflict"
                            else None,
                            "response": None if unreadable else named,
                            "error": "not an image" if unreadable else None,
                        }
                    )
    rng.shuffle(rows)
    return rows


@pytest.fixture
def trials(rows):
    return pl.DataFrame(rows, infer_schema_length=None)


def read(rows, **wanted):
    """The trials that count, of a kind."""
    return [
        row
        for row in rows
        if row["error"] is None and all(row[key] == value for key, value in wanted.items())
    ]


def right(rows):
    return fmean(row["response"] == row["category"] for row in rows)


def agreement(rows, first, second, dataset, condition):
    """Accuracies on common stimuli, and agreement of a response drawn from each."""
    share = {}
    for observer in (first, second):
        shown = {}
        for row in read(rows, observer=observer, dataset=dataset, condition=condition):
            shown.setdefault(row["stimulus"], []).append(row["response"] == row["category"])
        share[observer] = {stimulus: fmean(each) for stimulus, each in shown.items()}
    common = sorted(set(share[first]) & set(share[second]))
    p = [share[first][stimulus] for stimulus in common]
    q = [share[second][stimulus] for stimulus in common]
    observed = fmean(a * b + (1 - a) * (1 - b) for a, b in zip(p, q, strict=True))
    return fmean(p), fmean(q), observed, len(common)


def kappa(p, q, observed):
    expected = p * q + (1 - p) * (1 - q)
    return None if abs(1 - expected) < 1e-12 else (observed - expected) / (1 - expected)


def benchmark_mean(value, conditions):
    """Mean over datasets of the mean over their counted conditions."""
    found = {}
    for dataset, condition in conditions:
        if condition not in datasets()[dataset].trivial:
            each = value(dataset, condition)
            if each is not None:
                found.setdefault(dataset, []).append(each)
    return fmean(fmean(each) for each in found.values())


def likeness(rows, observer, what):
    """A model's, or, of people, their own with each other."""
    conditions = [c for c in CONDITIONS if read(rows, observer=observer, dataset=c[0])]

    def over_people(dataset, condition):
        pairs = (
            [(a, b) for n, a in enumerate(PEOPLE) for b in PEOPLE[n + 1 :]]
            if observer == "people"
            else [(observer, person) for person in PEOPLE]
        )
        values = [what(*agreement(rows, *pair, dataset, condition)[:3]) for pair in pairs]
        values = [value for value in values if value is not None]
        return fmean(values) if values else None

    return benchmark_mean(over_people, CONDITIONS if observer == "people" else conditions)


LIKENESSES = {
    "squared_accuracy_difference": lambda p, q, observed: (p - q) ** 2,
    "observed_consistency": lambda p, q, observed: observed,
    "error_consistency": kappa,
}


def test_accuracy(rows, trials):
    for row in accuracy(trials, resamples=0).iter_rows(named=True):
        shown = read(rows, observer=row["observer"], dataset=row["dataset"])
        assert row["estimate"] == pytest.approx(right(shown))
        assert row["n"] == len(shown)
        assert row["stimuli"] == len({each["stimulus"] for each in shown})
        assert row["low"] is row["high"] is None


def test_ood_accuracy(rows, trials):
    for row in ood_accuracy(trials, resamples=0).iter_rows(named=True):
        conditions = [c for c in CONDITIONS if read(rows, observer=row["observer"], dataset=c[0])]
        expected = benchmark_mean(
            lambda dataset, condition, row=row: right(
                read(rows, observer=row["observer"], dataset=dataset, condition=condition)
            ),
            conditions,
        )
        assert row["estimate"] == pytest.approx(expected)
        assert row["datasets"] == (1 if row["observer"] == "m3" else 2)


def test_shape_bias(rows, trials):
    for row in shape_bias(trials, resamples=0).iter_rows(named=True):
        conflicts = [
            each
            for each in read(rows, observer=row["observer"], dataset="cue-conflict")
            if each["texture"] != each["category"]
        ]
        shape = sum(each["response"] == each["category"] for each in conflicts)
        texture = sum(each["response"] == each["texture"] for each in conflicts)
        assert row["estimate"] == pytest.approx(shape / (shape + texture))
        assert row["n"] == shape + texture


def test_confusion_and_entropy(rows, trials):
    table = confusion(trials)
    for row in response_entropy(trials, resamples=0).iter_rows(named=True):
        who = {name: row[name] for name in ("observer", "dataset")}
        shown = read(rows, **who)
        cells = Counter((each["category"], each["response"]) for each in shown)
        found = table.filter(**who)
        for cell in found.iter_rows(named=True):
            assert cell["count"] == cells[cell["category"], cell["response"]]
            total = sum(n for (category, _), n in cells.items() if category == cell["category"])
            assert cell["share"] == pytest.approx(cell["count"] / total)
        assert found["count"].sum() == len(shown)
        counts = Counter(each["response"] for each in shown if each["response"] is not None)
        total = sum(counts.values())
        bits = -sum(n / total * math.log2(n / total) for n in counts.values())
        assert (row["estimate"], row["n"]) == (pytest.approx(bits), total)


def test_pairs(rows, trials):
    for row in pairwise_consistency(trials, trivial=True, resamples=0).iter_rows(named=True):
        p, q, observed, n = agreement(
            rows, row["first"], row["second"], row["dataset"], row["condition"]
        )
        assert row["n"] == n
        assert row["observed"] == pytest.approx(observed)
        assert row["expected"] == pytest.approx(p * q + (1 - p) * (1 - q))
        assert row["estimate"] == pytest.approx(kappa(p, q, observed))


@pytest.mark.parametrize(
    "measure",
    [squared_accuracy_difference, observed_consistency, error_consistency],
    ids=list(LIKENESSES),
)
def test_likeness_to_people(rows, trials, measure):
    for row in measure(trials, resamples=0).iter_rows(named=True):
        expected = likeness(rows, row["observer"], LIKENESSES[measure.__name__])
        assert row["estimate"] == pytest.approx(expected)


def test_the_benchmark_and_its_ranks(rows, trials):
    table = {row["observer"]: row for row in benchmark(trials, resamples=0).iter_rows(named=True)}
    ranks = dict.fromkeys(MODELS, 0.0)
    for name, what in LIKENESSES.items():
        values = {observer: likeness(rows, observer, what) for observer in MODELS}
        for observer in MODELS:
            assert table[observer][name] == pytest.approx(values[observer])
            better = -1 if name == "squared_accuracy_difference" else 1
            ranks[observer] += 1 + sum(
                better * other > better * values[observer] + 1e-12 for other in values.values()
            )
    for observer in MODELS:
        assert table[observer]["mean_rank"] == pytest.approx(ranks[observer] / 3)


def test_a_comparison_is_on_what_both_saw(rows, trials):
    both = {
        stimulus
        for stimulus in {row["stimulus"] for row in rows}
        if all(read(rows, observer=observer, stimulus=stimulus) for observer in ("m1", "m2"))
    }
    common = [row for row in rows if row["stimulus"] in both]
    found = compare(trials, "m1", "m2", resamples=20)
    assert found.n == len(both)
    expected = right(read(common, observer="m1")) - right(read(common, observer="m2"))
    assert found.estimate == pytest.approx(expected)

    def difference(dataset, condition):
        values = []
        for person in PEOPLE:
            shared = {each["stimulus"] for each in read(common, observer=person)}
            shown = [row for row in common if row["stimulus"] in shared]
            one, two = (
                kappa(*agreement(shown, model, person, dataset, condition)[:3])
                for model in ("m1", "m2")
            )
            if one is not None and two is not None:
                values.append(one - two)
        return fmean(values) if values else None

    found = compare(trials, "m1", "m2", measure="error_consistency", resamples=20)
    assert found.estimate == pytest.approx(benchmark_mean(difference, CONDITIONS))


def test_the_order_of_rows_does_not_matter(trials):
    """Nor do intervals depend on it: the same seed gives the same resamples."""
    other = trials.sample(fraction=1, shuffle=True, seed=1)
    for measure in (accuracy, shape_bias, response_entropy, error_consistency, benchmark):
        one, two = (measure(table, resamples=30) for table in (trials, other))
        assert one.equals(two)


def test_intervals_hold_their_estimates_with_gaps_too(trials):
    for measure in (accuracy, shape_bias, response_entropy, observed_consistency):
        table = measure(trials, resamples=400).drop_nulls("estimate")
        assert (table["low"] <= table["estimate"] + 1e-12).all()
        assert (table["estimate"] <= table["high"] + 1e-12).all()
