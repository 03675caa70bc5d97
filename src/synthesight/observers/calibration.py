"""Make probabilities of evidence: how often an observer is right where it has so much.

A softmax of evidence says which class leads, not how often that is right: under most weightings
evidence is no log-likelihood, and where it is one, models are over-confident and few draws are
noisy. So evidence is divided by a temperature T, and the softmax of that is the probability (Guo
et al. 2017). Here T may depend on two things that an answer knows of itself::

    log T = constant + spread · log s + draws · log (n / 100),

s being the standard deviation of the evidence over the classes, since errors of a busy image are
larger for every class alike, and n the draws of the answer: a rule that stops when it is sure needs
few draws where it is right, so that their number is a confidence too (Clark & Jaini 2023, appendix
E). All three are fitted by maximum likelihood on images whose class is known, because they are
labelled or because the model made them of a class itself. T > 0 never changes which class leads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from synthesight import files
from synthesight.errors import SynthesightError

FEWEST = 20  # images to fit three numbers to
TYPICAL = 100.0  # draws
RIDGE = 1e-3  # of the two slopes, in nats an image: they are 0 where images do not tell
# What must be the same where a calibration is used: evidence is of another kind otherwise.
SAME = ("model", "weights", "weighting", "proposal", "rule", "combine")


@dataclass(frozen=True)
class Calibration:
    """Turn evidence into probabilities.

    Attributes
    ----------
    constant, spread, draws
        What the logarithm of the temperature is made of.
    made
        What it was fitted to: ``observer``, as it describes itself, ``images`` (how many) and
        ``source`` (``"labelled"`` or ``"generated"``).
    """

    constant: float
    spread: float = 0.0
    draws: float = 0.0
    made: Mapping[str, Any] = field(default_factory=dict)

    def temperature(self, evidence: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return the temperature of each image, float64, shape (N,); see :meth:`probability`."""
        return np.exp(_features(evidence, draws) @ [self.constant, self.spread, self.draws])

    def probability(self, evidence: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return the probability of each class: float64, shape (N, K).

        Parameters
        ----------
        evidence
            float64, shape (N, K).
        draws
            int64, shape (N,): of the class that saw most of them.

        Examples
        --------
        >>> import numpy as np
        >>> Calibration(np.log(2)).probability(np.array([[0.0, -2.0]]), np.array([100])).round(3)
        array([[0.731, 0.269]])
        """
        return softmax(evidence / self.temperature(evidence, draws)[:, None], axis=1)

    def check(self, observer: Mapping[str, Any]) -> None:
        """Refuse an observer, as it describes itself, whose evidence is of another kind.

        Raises
        ------
        SynthesightError
            With what differs.
        """
        made = self.made.get("observer") or {}
        for key in SAME:
            was, now = made.get(key), json.loads(json.dumps(observer.get(key)))
            if was != now:
                raise SynthesightError(
                    f"The `calibration` was made with {key} = {_short(was)}, not {_short(now)}: "
                    "calibrate anew, or use it as it was made."
                )

    def save(self, path: str | Path) -> None:
        """Write it to a JSON file.

        Raises
        ------
        SynthesightError
            If the file cannot be written.
        """
        path = files.as_path(path)
        with files.writing(path):
            files.make_folder(path.parent)
            files.write(path, json.dumps(self.as_json(), indent=2) + "\n")

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        temperature = {"constant": self.constant, "spread": self.spread, "draws": self.draws}
        return {"format": 1, "log_temperature": temperature, **self.made}


def read_calibration(source: str | Path | Calibration) -> Calibration:
    """Read a calibration from the JSON file that ``synthesight calibrate`` wrote.

    Raises
    ------
    SynthesightError
        If it is none.
    """
    if isinstance(source, Calibration):
        return source
    content = files.read_json(files.as_path(source), advice="calibrate anew")
    try:
        numbers = {key: float(content["log_temperature"][key]) for key in _NAMES}
        if content["format"] != 1 or not np.isfinite(list(numbers.values())).all():
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise SynthesightError(
            f"{source} is no calibration: give a file that `synthesight calibrate` wrote."
        ) from None
    made = {key: each for key, each in content.items() if key not in ("format", "log_temperature")}
    return Calibration(**numbers, made=made)


def fit_calibration(
    evidence: np.ndarray,
    draws: np.ndarray,
    labels: np.ndarray,
    made: Mapping[str, Any] | None = None,
) -> Calibration:
    """Return the calibration under which known classes are most probable.

    Evidence is float64 (N, K); of each image, ``draws`` is the number that the class with most of
    them saw, and ``labels`` the right class. For ``made`` see :class:`Calibration`.
    """
    from scipy.optimize import minimize  # takes half a second, and few calibrate

    if len(labels) < FEWEST:
        raise SynthesightError(
            f"{len(labels)} images with a known class are too few to calibrate with: give at least "
            f"{FEWEST}, better 200."
        )
    features = _features(evidence, draws)
    middle = features.mean(axis=0) * [0, 1, 1]
    # What is the same of all images tells nothing: its slope stays 0.
    tells = np.ptp(features, axis=0) > 1e-9
    centred = np.where(tells, features - middle, 0.0)
    centred[:, 0] = 1.0
    image = np.arange(len(labels))

    def loss(found: np.ndarray) -> float:
        temperature = np.exp(np.clip(centred @ found, -30, 30))
        likely = log_softmax(evidence / temperature[:, None], axis=1)[image, labels]
        return float(-likely.mean() + RIDGE * np.square(found[1:]).sum())

    begin = float(np.log(np.maximum(evidence.std(axis=1), 1e-12)).mean())
    starts = [(begin, slope, 0.0) for slope in (0.0, 1.0)]
    tries = [minimize(loss, start, method="L-BFGS-B") for start in starts]
    found = min(tries, key=lambda each: each.fun).x * (tells | [True, False, False])
    constant = found[0] - found[1:] @ middle[1:]
    return Calibration(float(constant), float(found[1]), float(found[2]), made or {})


_NAMES: Sequence[str] = ("constant", "spread", "draws")


def _features(evidence: np.ndarray, draws: np.ndarray) -> np.ndarray:
    spread = np.log(np.maximum(evidence.std(axis=1), 1e-12))
    return np.stack([np.ones(len(draws)), spread, np.log(np.maximum(draws, 1) / TYPICAL)], axis=1)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 40 else f"{text[:36]} …"
