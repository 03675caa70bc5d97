"""Likelihood: how well each prompt explains an image, in increments of evidence.

A model meets a protocol (:class:`DrawModel`, :class:`PartModel` or :class:`Denoiser`); the
:class:`Engine` asks it for increments until a :class:`Rule` has seen enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.likelihood.decision import Decision as Decision
    from synthesight.likelihood.diffusion import DenoiserLikelihood as DenoiserLikelihood
    from synthesight.likelihood.diffusion import as_likelihood as as_likelihood
    from synthesight.likelihood.draws import normal_noise as normal_noise
    from synthesight.likelihood.draws import stimulus_key as stimulus_key
    from synthesight.likelihood.draws import uniforms as uniforms
    from synthesight.likelihood.engine import Engine as Engine
    from synthesight.likelihood.evaluator import Evaluator as Evaluator
    from synthesight.likelihood.evaluator import Usage as Usage
    from synthesight.likelihood.loading import load_model as load_model
    from synthesight.likelihood.protocol import Denoiser as Denoiser
    from synthesight.likelihood.protocol import DrawModel as DrawModel
    from synthesight.likelihood.protocol import Estimator as Estimator
    from synthesight.likelihood.protocol import LikelihoodModel as LikelihoodModel
    from synthesight.likelihood.protocol import Located as Located
    from synthesight.likelihood.protocol import PartModel as PartModel
    from synthesight.likelihood.protocol import Resampler as Resampler
    from synthesight.likelihood.rules import RULES as RULES
    from synthesight.likelihood.rules import Exhaustive as Exhaustive
    from synthesight.likelihood.rules import RepeatedTTest as RepeatedTTest
    from synthesight.likelihood.rules import Rule as Rule
    from synthesight.likelihood.rules import Sequential as Sequential
    from synthesight.likelihood.rules import Staged as Staged
    from synthesight.likelihood.rules import find_rule as find_rule
    from synthesight.likelihood.rules import make_rule as make_rule
    from synthesight.likelihood.rules import replay as replay
    from synthesight.likelihood.schedule import Schedule as Schedule
    from synthesight.likelihood.weighting import WEIGHTINGS as WEIGHTINGS
    from synthesight.likelihood.weighting import TimeSampler as TimeSampler
    from synthesight.likelihood.weighting import weights as weights

__getattr__, __dir__, __all__ = lazy.attach(__name__)
