"""Rivals: an ambiguous image found again behind noise under two prompts, and which one leads."""

from __future__ import annotations

from synthesight.app.html import figure, render
from synthesight.app.models import Models, again
from synthesight.app.pictures import BETWEEN, CALLED, draw_ambiguous, stimulus_of
from synthesight.errors import SynthesightError
from synthesight.observers.observer import Observer
from synthesight.probes.classics import Rivals, readings, rivals_of
from synthesight.probes.reconstruct import reconstruct
from synthesight.stimuli.make.classics import CLASSICS
from synthesight.stimuli.stimulus import Stimulus

MINE = "mine"  # the image that was dropped
DRAWS = 50  # of each reading
STEPS = 20  # of sampling from behind the noise


def own_readings(picture: str, observer: Observer) -> Rivals:
    """Return the readings of a drawn picture and their prompts, in words the observer knows."""
    if picture in CLASSICS:
        classic = CLASSICS[picture]
        first, second = classic.prompts
        own = (classic.prompts[first], classic.prompts[second])
        return rivals_of(classic, observer) or Rivals((first, second), own)
    first, second = next(pair for pair in BETWEEN if "-".join(pair) == picture)
    known = observer.classes or ()
    names = [CALLED[each] if CALLED.get(each) in known else each for each in (first, second)]
    return Rivals((names[0], names[1]), (f"a photo of a {names[0]}", f"a photo of a {names[1]}"))


def rivalled(
    models: Models,
    path: str | None,
    model: str,
    picture: str,
    first: str,
    second: str,
    noise: float = 0.6,
) -> str:
    """Return what a model makes of an image under each of two prompts, as HTML.

    Parameters
    ----------
    models, path, model
        Where models are; the image that was dropped, for ``MINE``; the name of a model.
    picture
        ``MINE``, or one of :func:`~synthesight.app.pictures.ambiguous`.
    first, second
        A prompt for each reading; both empty for the picture's own.
    noise
        Time in (0, 1], from image to noise; for models of tokens, the share drawn anew.

    Raises
    ------
    SynthesightError
        If a prompt is missing or there twice, or the model cannot do it.
    """
    stimulus = stimulus_of(path) if picture == MINE else Stimulus(
        f"{picture}.png", draw_ambiguous(picture)
    )  # fmt: skip
    with models.opened(model) as observer:
        prompts = (first.strip(), second.strip())
        rivals = Rivals(prompts, prompts)
        if picture != MINE and not any(prompts):
            rivals = own_readings(picture, observer)
        elif not all(prompts) or len(set(prompts)) < 2:
            raise SynthesightError("Write two different prompts, one for each reading.")
        worded = {name: [text] for name, text in zip(rivals.names, rivals.prompts, strict=True)}
        own = again(observer, classes=rivals.names, prompt=worded, names={})
        read, _ = readings([own], [stimulus], rivals, draws=DRAWS)
        made = reconstruct(own, [stimulus], noise=[noise], steps=STEPS, draws=2)
    (row,) = read.tables["readings"].to_dicts()
    near = made.tables["reconstruct"].sort("rmse").row(0, named=True)
    pictures = next(chart for name, chart in made.figures.items() if "times" not in name)
    return render(
        "rivals.html",
        row=row,
        pictures=figure(
            pictures,
            f"The image, the image behind noise, and what is found again as {rivals.names[0]} and "
            f"as {rivals.names[1]}. Nearest to the image: as {near['prompt']}.",
        ),
        noise=noise,
        prompts=rivals.prompts,
    )
