"""Weightings against their formulas, and the variational bound against exact likelihoods."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussian_mixture import GaussianMixtures
from synthesight.errors import SynthesightError
from synthesight.likelihood.draws import normal_noise, stimulus_key, uniforms
from synthesight.likelihood.schedule import Schedule
from synthesight.likelihood.weighting import TimeSampler, weights


def cosine(timesteps: int) -> Schedule:
    t = np.arange(1, timesteps + 1) / timesteps
    return Schedule.diffusion(np.clip(np.cos(0.5 * np.pi * t) ** 2, 1e-5, 1 - 1e-5))


SCHEDULES = {
    "flow": Schedule.rectified_flow(),
    "linear": Schedule.diffusion(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))),
    "cosine": cosine(4000),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_weights_equal_their_formulas(schedule):
    t = schedule.times
    np.testing.assert_allclose(
        schedule.alpha**2 + schedule.sigma**2 * (not schedule.continuous),
        (1 - t) ** 2 if schedule.continuous else 1.0,
    )
    np.testing.assert_allclose(weights("jaini", schedule), np.exp(-7 * t))
    np.testing.assert_allclose(weights("uniform", schedule), 1.0)
    np.testing.assert_allclose(
        weights("epsilon", schedule), schedule.alpha**2 / schedule.sigma**2, rtol=1e-12
    )
    snr = schedule.alpha**2 / schedule.sigma**2
    if schedule.continuous:
        np.testing.assert_allclose(weights("elbo", schedule), (1 - t) / t**3)
    else:
        expected = 0.5 * len(t) * (snr[:-1] - snr[1:])
        np.testing.assert_allclose(weights("elbo", schedule)[1:], expected)
        assert weights("elbo", schedule)[0] == 0


def test_flow_elbo_weight_is_the_derivative_of_the_snr():
    t = np.linspace(0.1, 0.9, 200_001)
    derivative = np.gradient(((1 - t) / t) ** 2, t)
    np.testing.assert_allclose(-0.5 * derivative[1:-1], ((1 - t) / t**3)[1:-1], rtol=1e-5)


def test_epsilon_weighting_is_the_error_in_the_noise():
    rng = np.random.default_rng(0)
    schedule = SCHEDULES["linear"]
    x, noise, found = rng.normal(size=(3, 12))
    alpha, sigma = schedule.alpha[400], schedule.sigma[400]
    z = alpha * x + sigma * noise
    noise_found = (z - alpha * found) / sigma
    weight = weights("epsilon", schedule)[400]
    np.testing.assert_allclose(
        weight * np.sum((x - found) ** 2), np.sum((noise - noise_found) ** 2)
    )


def test_a_table_is_interpolated_over_time():
    schedule = SCHEDULES["flow"]
    np.testing.assert_allclose(weights([0.0, 1.0], schedule), schedule.times)


@pytest.mark.parametrize("table", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.inf], [[1.0, 2.0]]])
def test_a_bad_table_is_refused(table):
    with pytest.raises(SynthesightError, match=r"[Tt]able of weights"):
        weights(table, SCHEDULES["flow"])


def test_an_unknown_weighting_names_the_known_ones():
    with pytest.raises(SynthesightError, match="jaini, epsilon, elbo, uniform"):
        weights("snr", SCHEDULES["flow"])


@settings(max_examples=25, deadline=None)
@given(
    proposal=st.lists(st.floats(0.0, 10.0), min_size=2, max_size=8).filter(any),
    weighting=st.sampled_from(["jaini", "epsilon", "elbo", "uniform"]),
    schedule=st.sampled_from(list(SCHEDULES.values())),
)
def test_a_proposal_does_not_change_the_expectation(proposal, weighting, schedule):
    sampler = TimeSampler.create(schedule, weighting, proposal)
    probability = np.diff(sampler.cumulative, prepend=0.0)
    # Any function of time has the same expectation as under uniform times.
    value = 1.0 + schedule.times**2
    expected = np.mean(weights(weighting, schedule) * value)
    found = np.sum(probability * sampler.factor * value)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_steps_follow_the_proposal():
    schedule = SCHEDULES["flow"]
    sampler = TimeSampler.create(schedule, "uniform", [0.0, 1.0])
    steps = sampler.steps((np.arange(100_000) + 0.5) / 100_000)
    counts = np.bincount(steps // 100, minlength=10) / 100_000
    np.testing.assert_allclose(counts, (2 * np.arange(10) + 1) / 100, atol=0.002)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_elbo_differences_converge_to_exact_log_likelihood_differences(schedule):
    rng = np.random.default_rng(1)
    model = GaussianMixtures(rng.normal(scale=0.6, size=(3, 2, 12)), schedule=schedule)
    x = rng.normal(scale=0.6, size=(4, 12))
    exact = model.log_likelihood(x)
    exact -= exact[:, :1]
    sampler = TimeSampler.create(schedule, "elbo")
    for image in range(len(x)):
        draws = np.arange(20_000)
        keys = np.repeat(stimulus_key(0, f"image {image}")[None], len(draws), axis=0)
        steps = sampler.steps(uniforms(keys, draws))
        noise = torch.from_numpy(normal_noise(keys, draws, (12,)))
        point = torch.from_numpy(x[image]).expand(len(draws), -1)
        weighted = np.stack(
            [
                model.errors(
                    point,
                    noise,
                    torch.from_numpy(steps),
                    torch.arange(3),
                    torch.full((len(draws),), k),
                ).numpy()
                * sampler.factor[steps]
                for k in range(3)
            ],
            axis=1,
        )
        difference = -(weighted - weighted[:, :1])
        evidence = difference.mean(axis=0)
        standard_error = difference.std(axis=0) / np.sqrt(len(draws))
        # Within Monte-Carlo error, and within the discretisation's 2 % on discrete timesteps.
        assert np.all(
            np.abs(evidence - exact[image])
            < 4 * standard_error + 0.02 * np.abs(exact[image]) + 1e-9
        )
        assert standard_error.max() < 0.2


def test_a_schedule_without_any_weight_is_one_sentence(monkeypatch):
    from synthesight.likelihood import weighting

    monkeypatch.setattr(weighting, "weights", lambda *_: np.zeros(3))
    with pytest.raises(SynthesightError, match="gives no time"):
        TimeSampler.create(np.zeros(3), None)  # type: ignore[arg-type]
