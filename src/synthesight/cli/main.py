"""The command line: thin, one function a command. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from synthesight import __version__
from synthesight.cli.analysis import studies
from synthesight.cli.data import datasets
from synthesight.cli.options import (
    BatchSize,
    Classes,
    Combine,
    Delta,
    Device,
    Dtype,
    Labels,
    MaxDraws,
    Model,
    Prompts,
    RuleName,
    Seed,
    Weighting,
    end,
    split,
)
from synthesight.cli.train import training
from synthesight.errors import SynthesightError, SynthesightWarning

MAX_DRAWS = 200  # of every rule, so that they can be compared


class Interruptible(TyperGroup):
    """Commands that say so when they are stopped, wherever they were."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("synthesight: Stopped.", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="synthesight",
    cls=Interruptible,
    help="Classify images with generative models, and measure how human-like they see.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(studies)
app.add_typer(training, name="train")
app.add_typer(datasets, name="data")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Classify images with generative models, and measure how human-like they see."""
    if version:
        print(f"synthesight {__version__}")
        raise typer.Exit


@app.command()
def classify(
    images: Annotated[list[str], typer.Argument(help="Images, or folders of them.")],
    model: Model = "natural-32",
    classes: Classes = None,
    prompt: Prompts = None,
    rule: RuleName = None,
    delta: Delta = None,
    max_draws: MaxDraws = None,
    weighting: Weighting = None,
    labels: Labels = None,
    combine: Combine = None,
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say what images show: the class, the evidence for each, and what it cost."""
    from synthesight.cli.output import Progressing, json_line, response_table
    from synthesight.stimuli.find import find_stimuli

    stimuli = [stimulus for path in images for stimulus in find_stimuli(path)]
    names = split(classes)
    observer = _load(
        model,
        names,
        prompt,
        rule,
        delta,
        max_draws,
        weighting,
        labels,
        combine,
        seed,
        device,
        dtype,
        batch_size,
    )
    chosen = observer.choose(names)
    failures = []
    with Progressing("Classifying", len(stimuli), quiet=json) as progress:
        for response in observer.respond(stimuli, chosen):
            progress.advance()
            if response.error:
                failures.append(response.error)
            progress.print(
                json_line(response, chosen) if json else response_table(response, chosen)
            )
    end(failures, len(stimuli))


@app.command()
def evaluate(
    stimuli: Annotated[
        list[str],
        typer.Option(
            help="Folder, Parquet or CSV file, dataset by name, or hf:owner/name:split; repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command resumes it.")],
    model: Model = "natural-32",
    classes: Classes = None,
    prompt: Prompts = None,
    rule: RuleName = None,
    delta: Delta = None,
    max_draws: MaxDraws = None,
    weighting: Weighting = None,
    labels: Labels = None,
    combine: Combine = None,
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    limit: Annotated[int | None, typer.Option(help="A balanced sample of so many stimuli.")] = None,
    shard: Annotated[str, typer.Option(help="i/n: the i-th of n parts, for n processes.")] = "1/1",
) -> None:
    """Show stimuli to a model and keep its trials."""
    from synthesight import evaluation
    from synthesight.cli.output import Progressing, print_accuracy
    from synthesight.stimuli.find import find_stimuli, sample

    part = _shard(shard)
    shown = [stimulus for source in stimuli for stimulus in find_stimuli(source)]
    names = split(classes)
    if names is not None:
        before = len(shown)
        shown = evaluation.answerable(shown, names)
        if len(shown) < before:
            print(f"{before - len(shown)} of {before} stimuli show other categories: left out.")
    # Of all the stimuli, as a sample is no easier choice than the whole.
    choice = evaluation.categories_of(shown) if names is None else names
    if limit is not None:
        shown = sample(shown, limit=limit, seed=seed)
    observer = _load(
        model,
        names,
        prompt,
        rule,
        delta,
        max_draws,
        weighting,
        labels,
        combine,
        seed,
        device,
        dtype,
        batch_size,
    )
    count = len(shown[part[0] :: part[1]])
    try:
        with Progressing("Evaluating", count, quiet=False) as progress:
            run = evaluation.evaluate(
                observer,
                shown,
                out,
                classes=choice,
                shard=part,
                begin=progress.expect,
                report=lambda response: progress.advance(),
            )
    except KeyboardInterrupt:
        print(f"Stopped; what was decided is in {out}, and the same command goes on from there.")
        raise typer.Exit(130) from None
    trials = run.trials()
    print_accuracy(trials)
    end(trials["error"].drop_nulls().to_list(), len(trials))


@app.command()
def models(
    pattern: Annotated[str, typer.Argument(help='Name with wildcards, such as "stable-*".')] = "*",
) -> None:
    """List the known models."""
    from synthesight.cli.output import print_models

    print_models(pattern)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figure and the drawn images.")] = Path(
        "demo"
    ),
) -> None:
    """A tour with the bundled models, offline, in a few minutes on two cores."""
    from synthesight.demo import run_demo

    run_demo(out)


def _load(
    model: str,
    classes: list[str] | None,
    prompt: list[str] | None,
    rule: str | None,
    delta: float | None,
    max_draws: int | None,
    weighting: str | None,
    labels: Path | None,
    combine: str | None,
    seed: int,
    device: str | None,
    dtype: str | None,
    batch_size: int | None,
) -> Any:
    """The observer that the options ask for; what needs no model is checked before it is opened.

    Only what was asked for is handed on: an option that a model has no use for is a mistake.
    """
    from synthesight.observers.prompts import check_classes, check_templates
    from synthesight.observers.registry import resolve

    resolve(model)
    if classes is not None:
        check_classes(classes)
    given = {
        "rule": _rule(rule, delta, max_draws),
        "templates": check_templates(prompt) if prompt else None,
        "weighting": weighting,
        "labels": _read_labels(labels) if labels is not None else None,
        "combine": combine,
        "seed": seed,
        "batch_size": batch_size,
    }
    options = {key: value for key, value in given.items() if value is not None}
    from synthesight.observers.loading import load

    return load(model, classes=classes, device=device, dtype=dtype, **options)


def _rule(name: str | None, delta: float | None, max_draws: int | None) -> Any:
    """The decision rule that was asked for; None if none was."""
    from synthesight.likelihood.rules import RULES

    if name is None and delta is None and max_draws is None:
        return None
    name = name or "sequential"
    if name not in RULES:
        raise SynthesightError(f"There is no --rule {name}: choose one of {', '.join(RULES)}.")
    if delta is not None and name != "sequential":
        raise SynthesightError(f"--rule {name} makes no promise: leave out --delta {delta}.")
    given = {} if delta is None else {"delta": delta}
    return RULES[name](max_draws=MAX_DRAWS if max_draws is None else max_draws, **given)


def _read_labels(path: Path) -> dict[str, list[str]]:
    import json

    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
        if any(isinstance(own, str) for own in labels.values()):
            raise ValueError("a text for a list")
        return {name: [str(label) for label in own] for name, own in labels.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SynthesightError(
            f'--labels {path} cannot be read: give a JSON file such as {{"cat": [281, 282]}}.'
        ) from error


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise SynthesightError(f"--shard {text} is no part: write i/n, such as 1/3, 2/3 and 3/3.")
    return int(part) - 1, int(parts)


_format = warnings.formatwarning


def _formatted(message: Warning | str, category: type[Warning], *place: Any, **line: Any) -> str:
    """Our own warnings without the place in the code that gave them."""
    if issubclass(category, SynthesightWarning):
        return f"synthesight: {message}\n"
    return _format(message, category, *place, **line)


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    warnings.formatwarning = _formatted
    try:
        app()
    except SynthesightError as error:
        print(f"synthesight: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            print(
                "synthesight: No space is left on the device that was written to: make room, or "
                "write elsewhere.",
                file=sys.stderr,
            )
            # Python would try again to write what is left, and say so.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(2)
        if error.filename is None:
            raise
        reason = (error.strerror or "the system refuses").lower()
        print(
            f"synthesight: {error.filename} cannot be used ({reason}): check the path, its "
            "permissions and the room on its disk.",
            file=sys.stderr,
        )
        sys.exit(2)
