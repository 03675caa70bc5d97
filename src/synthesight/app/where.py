"""Where: which places of an image speak for one class, and which for another."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthesight.app.html import render
from synthesight.app.models import Models, again, classes_of
from synthesight.app.pictures import stimulus_of
from synthesight.likelihood.protocol import horizon_of
from synthesight.probes.pictures import coloured, png_url

DRAWS = 64  # of a class at most, where no other number is asked for


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
        Of a class, at most; of two that are named, of each.

    Raises
    ------
    SynthesightError
        If there is no image, model or class of that name, or it does not tell where.
    """
    stimulus = stimulus_of(path)
    of, against = of.strip(), against.strip()
    with models.opened(model) as observer:
        parts = horizon_of(again(observer).likelihood) is not None  # of which all are seen
        rule = "exhaustive" if of and against else "sequential"
        how: dict[str, Any] = {} if parts else {"rule": rule, "max_draws": int(draws)}
        named = [of, against] if of and against else list(classes_of(classes, observer))
        answer = again(observer, **how).classify([stimulus], named)
        (shown,) = answer.maps(of or None, against or None)
    layers = {
        "evidence of each place": shown.upsampled(), "evidence of regions": shown.regions()
    }  # fmt: skip
    return render(
        "map.html",
        shown=shown,
        image=png_url(shown.image),
        layers={
            title: png_url(coloured(values, shown.image, np.quantile(np.abs(values), 0.995) or 1.0))
            for title, values in layers.items()
        },
    )
