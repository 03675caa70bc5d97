"""Runs that keep the error of every draw: what is in them, and that nothing takes it away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from builders import noise_stimuli
from gaussian_mixture import GaussianMixtures
from synthesight.errors import SynthesightError
from synthesight.evaluation import evaluate
from synthesight.likelihood.draws import normal_noise, stimulus_key
from synthesight.likelihood.rules import Exhaustive, Sequential
from synthesight.likelihood.weighting import weights
from synthesight.observers.generative import GenerativeClassifier
from synthesight.trials import check, merge, state_of
from synthesight.trials.draws import Draws
from synthesight.trials.store import Run

CLASSES = list("012")
COLUMNS = ["stimulus", "draw", "time", "class", "label", "error"]


class Interrupted(GaussianMixtures):
    """Is stopped after a number of batches, as by Ctrl-C."""

    def __init__(self, after: int | None = None) -> None:
        super().__init__(np.random.default_rng(0).normal(0, 0.6, (3, 2, 12)))
        self.after = after

    def errors(self, *triples):
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt
        return super().errors(*triples)


def shown(count=6):
    stimuli = noise_stimuli(np.random.default_rng(3), count)
    return [replace(each, category=CLASSES[n % 3]) for n, each in enumerate(stimuli)]


def observer(rule=None, after=None, **options):
    return GenerativeClassifier(
        Interrupted(after), classes=CLASSES, rule=rule or Exhaustive(12), batch_size=16, **options
    )


def in_order(run: Run) -> pl.DataFrame:
    return run.draws().sort("stimulus", "draw", "class").collect()


@pytest.mark.parametrize("weighting", ["jaini", "elbo"])
def test_errors_are_those_of_the_model_whatever_the_weighting(weighting, tmp_path):
    stimuli = shown(3)
    asked = observer(weighting=weighting)
    run = evaluate(asked, stimuli, tmp_path / "run", keep_draws=True, progress=False)
    draws = in_order(run)
    assert draws.columns == COLUMNS
    assert len(draws) == 3 * 12 * 3
    assert draws["label"].null_count() == len(draws)
    model, schedule = asked.model, run.schedule()
    row = draws.filter(stimulus="s1.png", draw=7)
    key = stimulus_key(0, "s1.png")[None]
    noise = normal_noise(key, np.array([7]), (3, 2, 2))
    step = int(np.abs(np.array(schedule["times"]) - row["time"][0]).argmin())
    pixels = np.asarray(stimuli[1].open()).transpose(2, 0, 1)[None] / 127.5 - 1
    expected = model.plain_errors(pixels.reshape(1, -1), noise.reshape(1, -1), step)
    np.testing.assert_allclose(row["error"], expected, rtol=1e-5)
    # The evidence of the trials follows from what is kept.
    with np.errstate(invalid="ignore"):
        factor = weights(weighting, asked.model.schedule) / np.array(schedule["density"])
    steps = np.abs(np.array(schedule["times"]) - draws["time"].to_numpy()[:, None]).argmin(1)
    nats = -(draws["error"].to_numpy() * factor[steps]).reshape(3, 12, 3).mean(1)
    evidence = np.array(run.trials().sort("stimulus")["evidence"].to_list())
    np.testing.assert_allclose(nats - nats.max(1, keepdims=True), evidence, rtol=1e-3, atol=1e-3)


def test_a_run_that_was_stopped_keeps_the_same_draws(tmp_path):
    rule = Sequential(40)
    whole = evaluate(observer(rule), shown(), tmp_path / "whole", keep_draws=True, progress=False)
    for after in (5, 8, 11, 14, None):
        try:
            run = evaluate(
                observer(rule, after), shown(), tmp_path / "run", keep_draws=True, progress=False
            )
        except KeyboardInterrupt:
            continue
    assert_frame_equal(in_order(run), in_order(whole), check_exact=False)
    assert state_of(run.folder).draws[0] == whole.trials()["evaluations"].sum()


def test_draws_that_are_damaged_are_set_aside_and_made_again(tmp_path):
    run = evaluate(observer(), shown(), tmp_path / "run", keep_draws=True, progress=False)
    before = in_order(run)
    part = Draws(run.folder).parts.paths()[0]
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(SynthesightError, match="is damaged"):
        run.draws()
    assert "damaged" in check(run.folder)[0]
    assert not state_of(run.folder).finished
    again = evaluate(observer(), shown(), tmp_path / "run", keep_draws=True, progress=False)
    assert in_order(again).equals(before)
    assert len(again.trials()) == 6
    assert check(run.folder) == []


def test_draws_written_twice_count_once(tmp_path):
    run = evaluate(observer(), shown(), tmp_path / "run", keep_draws=True, progress=False)
    before = in_order(run)
    run.keep(run.draws().filter(stimulus="s1.png").collect(), run.schedule())
    assert in_order(Run.open(run.folder)).equals(before)


def test_merging_takes_the_draws_along(tmp_path):
    for shard in ("1/2", "2/2"):
        evaluate(
            observer(), shown(), tmp_path / shard[0], keep_draws=True, shard=shard, progress=False
        )
    whole = evaluate(observer(), shown(), tmp_path / "whole", keep_draws=True, progress=False)
    for _ in range(2):
        merged, _ = merge([tmp_path / "1", tmp_path / "2"], tmp_path / "merged")
        assert_frame_equal(in_order(merged), in_order(whole), check_exact=False)
    assert merged.schedule() == whole.schedule()


def test_a_run_keeps_draws_from_its_beginning_or_not_at_all(tmp_path):
    plain = evaluate(observer(), shown(), tmp_path / "run", progress=False)
    with pytest.raises(SynthesightError, match="holds no draws: evaluate anew, with `keep_draws`"):
        plain.draws()
    with pytest.raises(SynthesightError, match="keep_draws"):
        evaluate(observer(), shown(), tmp_path / "run", keep_draws=True, progress=False)
    animals = [replace(each, category=("cat", "dog")[n % 2]) for n, each in enumerate(shown())]
    with pytest.raises(SynthesightError, match="gives no likelihood"):
        evaluate("natural-32-cnn", animals, tmp_path / "cnn", keep_draws=True)


def test_a_label_of_several_in_a_class_is_told(tmp_path):
    labels = {"a": ["0", "1"], "b": ["2"]}
    asked = GenerativeClassifier(
        Interrupted(), classes=["a", "b"], labels=labels, rule=Exhaustive(4), batch_size=16
    )
    stimuli = [replace(each, category="ab"[n]) for n, each in enumerate(shown(2))]
    run = evaluate(asked, stimuli, tmp_path / "run", keep_draws=True, progress=False)
    first = run.draws().filter(stimulus="s0.png", draw=0).sort("label").collect()
    assert first.select("class", "label").rows() == [("a", "0"), ("a", "1"), ("b", "2")]


class Rows:
    """Say how likely each row of an image is: two parts, all seen in one pass."""

    name, resolution, device = "rows", 2, torch.device("cpu")
    horizon, cost = 2, (0.5, 0.5)

    def prepare(self, prompts):
        return torch.arange(len(prompts))

    def encode(self, images):
        return images.mean(dim=(1, 3)).double()

    def nats(self, x, parts, conditioning, rows):
        return -(x[:, parts.start : parts.stop] - conditioning[rows][:, None]).square()


def test_nats_of_parts_are_kept_without_times(tmp_path):
    asked = GenerativeClassifier(Rows(), classes=CLASSES)
    run = evaluate(asked, shown(3), tmp_path / "run", keep_draws=True, progress=False)
    draws = in_order(run)
    assert draws["time"].null_count() == len(draws) == 9
    assert run.schedule() is None
    evidence = -draws["error"].to_numpy().reshape(3, 3)
    expected = np.array(run.trials().sort("stimulus")["evidence"].to_list())
    np.testing.assert_allclose(evidence - evidence.max(1, keepdims=True), expected, atol=1e-5)
