"""``synthesight calibrate`` and ``fit-weighting``: from labels, or a model's own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthesight.cli.options import Model, with_options, written_to
from synthesight.errors import SynthesightError
from synthesight.observers.options import ModelOptions

if TYPE_CHECKING:
    from synthesight.trials.store import Run


Stimuli = Annotated[
    list[str] | None,
    typer.Option(help="Labelled images, as `evaluate --stimuli` takes; repeatable."),
]
Generated = Annotated[
    int | None,
    typer.Option(min=20, help="Let the model make so many images of its classes instead."),
]
Finished = Annotated[Path | None, typer.Option(help="Take a finished run of `evaluate` instead.")]
Limit = Annotated[int | None, typer.Option(help="Show a balanced sample of so many stimuli.")]


@with_options(ModelOptions)
def calibrate(
    options: ModelOptions,
    out: Annotated[Path, written_to("Calibration to write, for `--calibration`: a .json file.")],
    model: Model = "natural-32",
    stimuli: Stimuli = None,
    self_generated: Generated = None,
    run: Finished = None,
    limit: Limit = None,
) -> None:
    """Fit what makes probabilities of a model's scores, on images whose class is known."""
    from synthesight.draws.calibrating import calibrate as fit

    _check(out)
    found = fit(_run(model, options, out, stimuli, self_generated, run, limit, draws=False))
    found.save(out)
    made = found.made
    error = made.get("ece")
    tested = (
        f" On images that it was not fitted to, its expected calibration error is "
        f"{error['estimate']:.3f} ({error['low']:.3f} to {error['high']:.3f})."
        if error
        else ""
    )
    print(
        f"{out}: log T = {found.constant:.3f} + {found.spread:.3f} log s + "
        f"{found.draws + 0.0:.3f} log(n / 100), "
        f"from {made['images']} {made['source']} images.{tested}"
    )


@with_options(ModelOptions)
def fit_weighting(
    options: ModelOptions,
    out: Annotated[Path, written_to("Weighting to write, for `--weighting`: a .json file.")],
    model: Model = "natural-32",
    stimuli: Stimuli = None,
    self_generated: Generated = None,
    run: Finished = None,
    limit: Limit = None,
) -> None:
    """Fit a model's own weighting of times, to images that it made itself or to labelled ones."""
    from synthesight.draws.calibrating import own_weighting, write_weighting

    _check(out)
    found = own_weighting(
        _run(model, options, out, stimuli, self_generated, run, limit, draws=True)
    )
    write_weighting(found, out)
    print(f"{out}: weights at {len(found['weighting'])} times; use it as `--weighting {out}`.")


def _check(out: Path) -> None:
    if out.suffix.lower() != ".json":
        raise SynthesightError(f"`out={str(out)!r}` is no JSON file: end it in .json.")


def _run(
    model: str,
    options: ModelOptions,
    out: Path,
    stimuli: list[str] | None,
    generated: int | None,
    run: Path | None,
    limit: int | None,
    *,
    draws: bool,
) -> Run:
    """Return the run that is fitted to: a finished one, or one beside ``out`` that is made now."""
    from synthesight.evaluation import run_evaluation
    from synthesight.observers.generated import generate
    from synthesight.observers.loading import open_observer
    from synthesight.observers.options import EvaluateOptions
    from synthesight.progress import Progress
    from synthesight.trials.store import Run

    if sum(each is not None for each in (stimuli or None, generated, run)) != 1:
        raise SynthesightError(
            "Give one of `stimuli` (labelled images), `self_generated` (how many images the model "
            "makes) and `run` (a finished run)."
        )
    if run is not None:
        return Run.open(run)
    if draws:
        # Every time counts alike until a weighting is known.
        options = replace(options, weighting="uniform", rule=options.rule or "exhaustive")
    observer = open_observer(model, options)
    shown: object = stimuli
    if generated is not None:
        with Progress("Making images", generated, show=True) as progress:
            shown = generate(
                observer, generated, seed=options.seed, report=lambda done: progress.at(done)
            )
    chosen = EvaluateOptions(
        classes=observer.classes, seed=options.seed, limit=limit, keep_draws=draws
    )
    return run_evaluation(observer, shown, out.with_suffix(".run"), chosen, progress=True)
