"""Psychometric functions: the fit, its intervals and its goodness of fit."""

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

from builders import trial_table
from synthesight.analysis import (
    equality_difference,
    psychometric,
    psychometric_curve,
    psychometric_points,
    with_people,
)
from synthesight.analysis._stats.sigmoids import (  # noqa: PLC2701
    SIGMOIDS,
    Curves,
    fit_curves,
)
from synthesight.errors import SynthesightError
from synthesight.report.dials import dials_section

X = np.array([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5])
N = np.full((1, 9), 40.0)
WIDTH = {"normal": 2 * norm.ppf(0.95), "logistic": 2 * np.log(19)}  # from F = .05 to .95

# What psignifit 4.3 gives with flat priors (MAP): count → middle, width, lapse, guess.
PSIGNIFIT = [
    ([2, 3, 4, 9, 17, 29, 35, 37, 38], "normal", (2.59858, 2.14685, 0.05281, 0.05866)),
    ([2, 3, 4, 9, 17, 29, 35, 37, 38], "logistic", (2.60144, 2.32239, 0.04449, 0.05165)),
    ([6, 5, 9, 10, 16, 22, 25, 27, 30], "normal", (2.66295, 3.05601, 0.2534, 0.13054)),
    ([6, 5, 9, 10, 16, 22, 25, 27, 30], "logistic", (2.65991, 3.39989, 0.24428, 0.12096)),
]


def _trials(x, counts, of, observer="m", **columns):
    """Trials in which ``counts`` of ``of`` at each step name the cat, the others the dog."""
    rows = [
        ("cat" if n < k else "dog", float(step))
        for step, k in zip(x, counts, strict=True)
        for n in range(of)
    ]
    said, dial = zip(*rows, strict=True)
    return trial_table(list(said), observer, dial=list(dial), toward="cat", other="dog", **columns)


@pytest.mark.parametrize(("counts", "sigmoid", "known"), PSIGNIFIT)
def test_the_fit_is_that_of_psignifit(counts, sigmoid, known):
    (fit,) = fit_curves(X, np.array([counts], float), N, sigmoid=sigmoid).values
    middle, spread, guess, lapse = fit
    found = (middle, spread * WIDTH[sigmoid], lapse, guess)
    assert found == pytest.approx(known, abs=2e-4)


def test_no_other_place_is_likelier():
    true = Curves(SIGMOIDS["normal"], np.array([[2.3, 0.7, 0.08, 0.12]]))
    rng = np.random.default_rng(0)
    counts = rng.binomial(40, true.at(X)[0], (12, 9)).astype(float)
    found = fit_curves(X, counts, np.repeat(N, 12, axis=0))

    def cost(values, row):
        chance = np.clip(Curves(true.sigmoid, values[None]).at(X)[0], 1e-9, 1 - 1e-9)
        return -binom.logpmf(counts[row], 40, chance).sum()

    bounds = [(-3.5, 8.5), (0.025, 16), (0, 0.4), (0, 0.4)]
    for row, values in enumerate(found.values):
        starts = (values, true.values[0], [3, 1.5, 0.2, 0.02])
        best = min(minimize(cost, one, (row,), bounds=bounds).fun for one in starts)
        assert cost(values, row) <= best + 0.02


def test_a_closed_case_two_steps_and_no_lapses():
    # Two free parameters and two steps: the function meets both shares.
    trials = _trials([0, 1], [20, 80], 100)
    fit = psychometric(trials, "observer", guess=0.0, lapse=0.0, resamples=0)
    z = norm.ppf(0.8)
    assert fit["estimate"].item() == pytest.approx(0.5, abs=1e-5)
    assert fit["spread"].item() == pytest.approx(0.5 / z, rel=1e-4)
    assert fit["slope"].item() == pytest.approx(norm.pdf(0) * 2 * z, rel=1e-4)
    assert fit["deviance"].item() == pytest.approx(0, abs=1e-6)
    assert fit["low"].null_count() == 1


def test_equality_is_where_the_curve_is_one_half_not_where_it_is_in_the_middle():
    counts = np.rint(100 * (0.3 + 0.7 * norm.cdf((X - 2.5) / 0.5))).astype(int)
    fit = psychometric(_trials(X, counts, 100), "observer", resamples=0)
    expected = 2.5 + 0.5 * norm.ppf(0.2 / 0.7)
    assert fit["estimate"].item() == pytest.approx(expected, abs=0.03)
    assert fit["middle"].item() > fit["estimate"].item() + 0.2
    near = psychometric_curve(fit, np.array([fit["estimate"].item()]))
    assert near["estimate"].item() == pytest.approx(0.5, abs=1e-9)


def test_a_step_is_half_way_and_one_beyond_the_dial_is_infinite():
    step = psychometric(_trials(X, [0] * 4 + [10] * 5, 10), "observer", resamples=50)
    assert step["estimate"].item() == pytest.approx(2.25)
    assert X[2] < step["low"].item() < step["high"].item() < X[5]
    always = psychometric(_trials(X, [10] * 9, 10), "observer", resamples=50)
    assert always.select("estimate", "low", "high").row(0) == (-np.inf,) * 3
    never = psychometric(_trials(X, [0] * 9, 10), "observer", resamples=50)
    assert never["estimate"].item() == np.inf


def test_a_bad_fit_has_a_small_p():
    good = psychometric(_trials(X, PSIGNIFIT[0][0], 40), "observer", resamples=200)
    assert good["p"].item() > 0.2
    bad = psychometric(_trials(X, [2, 30, 4, 30, 5, 35, 8, 37, 38], 40), "observer", resamples=200)
    assert bad["p"].item() < 0.01
    assert bad["df"].item() == 5


def test_what_names_neither_class_and_what_is_silent_does_not_count():
    trials = _trials(X, PSIGNIFIT[0][0], 40)
    silent = trials.with_columns(response=pl.lit(None, pl.String), stimulus=pl.lit("silent.png"))
    others = trials.with_columns(response=pl.lit("car"), stimulus=pl.lit("car.png"))
    alone = psychometric(trials, "observer", resamples=0)
    beside = psychometric(pl.concat([trials, silent, others]), "observer", resamples=0)
    assert alone.equals(beside)
    # Without a column that names the other class, every response is one.
    counted = psychometric(
        pl.concat([trials, silent, others]).drop("other"), "observer", resamples=0
    )
    assert counted["n"].item() == 720


def test_classes_count_however_they_are_spelt():
    trials = _trials(X, PSIGNIFIT[0][0], 40)
    named = {"cat": "car", "dog": "boat"}
    spelt = trials.with_columns(
        pl.col("response").replace(named), toward=pl.lit("automobile"), other=pl.lit("ship")
    )
    one, other = (psychometric(each, "observer", resamples=0) for each in (trials, spelt))
    assert one.equals(other)


def test_pairs_vary_together():
    # Each pair turns at once, at a place of its own: trials of a pair tell the same again.
    rng = np.random.default_rng(1)
    tables = [
        _trials(X, np.where(place < X, 4, 0), 4, pair=f"p{n}")
        for n, place in enumerate(rng.normal(2.5, 0.8, 12))
    ]
    by_pair = psychometric(pl.concat(tables), "observer", resamples=300)
    alone = psychometric(pl.concat(tables).drop("pair"), "observer", resamples=300)
    assert (by_pair["population"].item(), alone["population"].item()) == ("new-stimuli", "these")
    width = [one["high"].item() - one["low"].item() for one in (by_pair, alone)]
    assert width[0] > 1.4 * width[1]
    few = psychometric(pl.concat(tables[:4]), "observer", resamples=50)
    assert (few["population"].item(), few["pairs"].item()) == ("these", 4)


def test_the_difference_of_two_observers_is_paired():
    # Pairs differ far more than the observers, of whom the second turns half a step later.
    rng = np.random.default_rng(2)
    turns = rng.normal(2.2, 0.6, 10)
    tables = [
        _trials(X, np.where(turn + late < X, 4, 0), 4, name, pair=f"p{n}")
        for name, late in (("early", 0.0), ("late", 0.5))
        for n, turn in enumerate(turns)
    ]
    trials = pl.concat(tables)
    apart = equality_difference(trials, "late", "early", resamples=200)
    assert apart["low"] < apart["estimate"] < apart["high"]
    assert apart["estimate"] == pytest.approx(0.5, abs=0.15)
    assert apart["low"] > 0.2
    alone = psychometric(trials, "observer", resamples=200)
    width = (alone["high"] - alone["low"]).min()
    assert apart["high"] - apart["low"] < 0.7 * width
    same = equality_difference(trials, "late", "late", resamples=20)
    assert (same["estimate"], same["low"], same["high"], same["pairs"]) == (0, 0, 0, 10)
    with pytest.raises(SynthesightError, match="saw 4 pairs in common"):
        equality_difference(trials.filter(pl.col("pair").is_in(["p0", "p1", "p2", "p3"])),
                            "late", "early")  # fmt: skip


def test_points_have_wilsons_interval():
    points = psychometric_points(_trials([0, 1], [0, 5], 10), "observer")
    assert points["estimate"].to_list() == [0.0, 0.5]
    assert points["high"].to_list() == pytest.approx([0.2775, 0.7634], abs=1e-4)
    assert points["low"].to_list() == pytest.approx([0.0, 0.2366], abs=1e-4)


def test_people_stand_beside_models_in_the_report():
    model = _trials(X, PSIGNIFIT[0][0], 40, condition="whole", cutoff=2.0, pair="a")
    people = [
        _trials(X, PSIGNIFIT[2][0], 40, f"p{n}", condition="whole", cutoff=2.0, pair="a",
                kind="human") for n in range(2)
    ]  # fmt: skip
    section = dials_section(with_people(pl.concat([model, *people])), resamples=20)
    table = section.tables["dial"]
    assert table["observer"].to_list() == ["m", "people"]
    assert table["n"].to_list() == [360, 720]
    assert table["cutoff"].to_list() == pytest.approx((2 ** table["estimate"]).to_list())
    assert section.figures["dial-d"].to_dict()["concat"]
    assert dials_section(with_people(model.drop("dial")), resamples=20) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"dial": "angle"}, "have no column 'angle'"),
        ({"dial": "response"}, "holds no numbers"),
        ({"sigmoid": "tanh"}, "There is no `sigmoid='tanh'`"),
        ({"lapse": 0.6}, "`lapse=0.6` cannot be"),
    ],
)
def test_what_cannot_be_fitted_is_refused(given, why):
    with pytest.raises(SynthesightError, match=why):
        psychometric(_trials(X, PSIGNIFIT[0][0], 40), "observer", resamples=0, **given)


@pytest.mark.stress
@pytest.mark.parametrize("of", [10, 40])
def test_intervals_cover(of, capsys):
    true = Curves(SIGMOIDS["normal"], np.array([[2.4, 0.8, 0.05, 0.1]]))
    equality, slope, rng = true.equality()[0], true.slope()[0], np.random.default_rng(of)
    covered, steep, p = [], [], []
    for seed in range(400):
        counts = rng.binomial(of, true.at(X)[0])
        fit = psychometric(_trials(X, counts, of), "observer", resamples=400, seed=seed)
        covered.append(fit["low"].item() <= equality <= fit["high"].item())
        steep.append(fit["slope_low"].item() <= slope <= fit["slope_high"].item())
        p.append(fit["p"].item())
    with capsys.disabled():
        print(
            f"\n{of} trials a step: equality in {np.mean(covered):.3f} of the intervals, slope in "
            f"{np.mean(steep):.3f}; p < .05 in {np.mean(np.array(p) < 0.05):.3f}"
        )
    assert np.mean(covered) > 0.91
    assert np.mean(np.array(p) < 0.05) < 0.1


@pytest.mark.stress
def test_intervals_over_pairs_cover(capsys):
    rng = np.random.default_rng(5)
    covered, as_trials = [], []
    for seed in range(300):
        tables = []
        for pair in range(20):
            chance = norm.cdf((X - rng.normal(2.5, 0.7)) / 0.4)
            tables.append(_trials(X, rng.binomial(2, chance), 2, pair=f"p{pair}"))
        trials = pl.concat(tables)
        for kept, given in ((covered, trials), (as_trials, trials.drop("pair"))):
            fit = psychometric(given, "observer", resamples=300, seed=seed)
            kept.append(fit["low"].item() <= 2.5 <= fit["high"].item())
    with capsys.disabled():
        print(
            f"\n20 pairs: equality in {np.mean(covered):.3f} of the intervals over pairs, in "
            f"{np.mean(as_trials):.3f} of those over trials"
        )
    assert np.mean(covered) > 0.9
