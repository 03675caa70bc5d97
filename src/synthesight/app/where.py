"""Where: which places of an image speak for one class, and which for another."""

from __future__ import annotations

import numpy as np

from synthesight.app.html import render
from synthesight.app.models import Models, again, classes_of
from synthesight.app.pictures import stimulus_of
from synthesight.errors import SynthesightError
from synthesight.likelihood.protocol import horizon_of
from synthesight.observers.maps import chosen_pair
from synthesight.probes.pictures import coloured, png_url

DRAWS = 64  # of each of the two classes, where no other number is asked for


def located(
    models: Models,
    path: str | None,
    model: str,
    classes: str,
    of: str = "",
    against: str = "",
    draws: int = DRAWS,
) -> str:
    """Return where the evidence for one class against another is, as HTML.

    Parameters
    ----------
    models, path, model, classes
        Where models are; the image; the names of a model and of classes.
    of, against
        The two classes; empty for the class that the model chooses, and its strongest rival.
    draws
        Of each of the two.

    Raises
    ------
    SynthesightError
        If there is no image, model or class of that name, or it does not tell where.
    """
    stimulus = stimulus_of(path)
    of, against = of.strip(), against.strip()
    with models.opened(model) as observer:
        observer = again(observer)  # or say that a network has no such evidence
        pair = (of, against)
        if not (of and against):
            named = list(classes_of(classes, observer))
            (response,) = observer.respond([stimulus], named)
            first, second = chosen_pair(response, named, of or None, against or None)
            pair = (named[first], named[second])
        most = int(draws) if horizon_of(observer.likelihood) is None else None  # parts: all
        every = again(observer, classes=pair, rule="exhaustive", max_draws=most)
        (response,) = every.respond([stimulus])
        if response.error is not None:
            raise SynthesightError(response.error)
        shown = every.evidence_map(response, pair, of=pair[0], against=pair[1])
    layers = [
        ("evidence of each place", shown.upsampled()),
        ("evidence of regions", shown.regions()),
    ]
    return render(
        "map.html",
        shown=shown,
        image=png_url(shown.image),
        layers=[
            {"title": title, "url": png_url(coloured(values, shown.image, _most(values)))}
            for title, values in layers
        ],
    )


def _most(values: np.ndarray) -> float:
    return float(np.quantile(np.abs(values), 0.995)) or 1.0
