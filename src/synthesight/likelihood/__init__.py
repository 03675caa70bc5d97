"""Likelihood: how well each prompt explains an image, in increments of evidence.

A model meets a protocol (:class:`DrawModel`, :class:`PartModel` or :class:`Denoiser`); the
:class:`Engine` asks it for increments until a :class:`Rule` has seen enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.decision import Decision
    from synthesight.likelihood.diffusion import DenoiserLikelihood, as_likelihood
    from synthesight.likelihood.draws import normal_noise, stimulus_key, uniforms
    from synthesight.likelihood.engine import Engine
    from synthesight.likelihood.evaluator import Evaluator, Usage
    from synthesight.likelihood.loading import load_model
    from synthesight.likelihood.protocol import (
        Denoiser,
        DrawModel,
        Estimator,
        LikelihoodModel,
        Located,
        PartModel,
        Resampler,
    )
    from synthesight.likelihood.rules import (
        RULES,
        Exhaustive,
        RepeatedTTest,
        Rule,
        Sequential,
        Staged,
        find_rule,
        make_rule,
        replay,
    )
    from synthesight.likelihood.schedule import Schedule
    from synthesight.likelihood.weighting import WEIGHTINGS, TimeSampler, weights

_OFFERED = {
    "decision": ["Decision"],
    "diffusion": ["DenoiserLikelihood", "as_likelihood"],
    "draws": ["normal_noise", "stimulus_key", "uniforms"],
    "engine": ["Engine"],
    "evaluator": ["Evaluator", "Usage"],
    "loading": ["load_model"],
    "protocol": [
        "Denoiser",
        "DrawModel",
        "Estimator",
        "LikelihoodModel",
        "Located",
        "PartModel",
        "Resampler",
    ],
    "rules": [
        "RULES",
        "Exhaustive",
        "RepeatedTTest",
        "Rule",
        "Sequential",
        "Staged",
        "find_rule",
        "make_rule",
        "replay",
    ],
    "schedule": ["Schedule"],
    "weighting": ["WEIGHTINGS", "TimeSampler", "weights"],
}

__all__ = [
    "RULES",
    "WEIGHTINGS",
    "Decision",
    "Denoiser",
    "DenoiserLikelihood",
    "DrawModel",
    "Engine",
    "Estimator",
    "Evaluator",
    "Exhaustive",
    "LikelihoodModel",
    "Located",
    "PartModel",
    "RepeatedTTest",
    "Resampler",
    "Rule",
    "Schedule",
    "Sequential",
    "Staged",
    "TimeSampler",
    "Usage",
    "as_likelihood",
    "find_rule",
    "load_model",
    "make_rule",
    "normal_noise",
    "replay",
    "stimulus_key",
    "uniforms",
    "weights",
]

__getattr__, __dir__ = lazy.attach(__name__, _OFFERED)
