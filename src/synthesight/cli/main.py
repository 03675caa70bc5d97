"""The command line: thin, one function a command. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import io
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from synthesight import __version__
from synthesight.cli import mistakes
from synthesight.cli.analyse import analyse
from synthesight.cli.analysis import studies
from synthesight.cli.calibrate import calibrating
from synthesight.cli.convert import converting
from synthesight.cli.data import datasets
from synthesight.cli.experiment import experiment
from synthesight.cli.illusion import illusion
from synthesight.cli.options import (
    Commands,
    end,
    given_words,
    say,
    translate,
    with_options,
    written_to,
)
from synthesight.cli.probes import add_probes
from synthesight.cli.reproduce import reproducing
from synthesight.cli.runs import runs
from synthesight.cli.study import studying
from synthesight.cli.train import training
from synthesight.encoding import sentence
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.observers.options import EvaluateOptions, ModelOptions
from synthesight.stopping import by, code_of, stoppable

ABOUT = "Classify images with generative models, and measure how human-like they see."

app = typer.Typer(
    name="synthesight",
    cls=Commands,
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(runs)
app.add_typer(studies)
app.add_typer(studying)
app.add_typer(calibrating)
app.add_typer(analyse, name="analyse")
app.add_typer(reproducing)
app.add_typer(converting)
app.add_typer(training, name="train")
app.add_typer(datasets, name="data")
app.add_typer(experiment, name="experiment")
app.add_typer(illusion, name="illusion")

Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="A name of `synthesight models`, a folder or file, or owner/model."
    ),
]


@app.callback(invoke_without_command=True, help=ABOUT)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"synthesight {__version__}")
        raise typer.Exit


@app.command()
@with_options(ModelOptions)
def classify(
    images: Annotated[list[str], typer.Argument(help="Images, or folders of them.")],
    options: ModelOptions,
    model: Model = "natural-32",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    range: Annotated[
        str | None,
        typer.Option(
            help="Black and white in deep images: LOW,HIGH, or percentiles such as 1%,99%."
        ),
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(
            help="Draw where the evidence is: a .png, .svg or .pdf of one image, or a folder."
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="Class that a map is for. Default: the class chosen.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Class that it is against. Default: the strongest rival.")
    ] = None,
) -> None:
    """Classify images: print the class, the evidence for each class, and the cost."""
    from rich.console import Console

    from synthesight.cli.maps import Maps
    from synthesight.cli.output import json_line, response_table
    from synthesight.observers.loading import open_observer
    from synthesight.observers.registry import resolve
    from synthesight.progress import Progress
    from synthesight.stimuli.find import find_stimuli

    resolve(model)
    mistakes.check_no_classes(images, options.classes)
    stimuli = find_stimuli(images, range=range)
    mapping = Maps(map, of, against, len(stimuli))
    observer = open_observer(model, options)
    captioned = options.classes is None and any(stimulus.captions for stimulus in stimuli)
    chosen = [] if captioned else observer.choose(None)
    failures = []
    console = Console()
    show = not json and len(stimuli) > 1
    with Progress("Classifying", len(stimuli), show=show) as progress:
        for response in observer.respond(stimuli, chosen):
            progress.advance()
            if response.error:
                failures.append(response.error)
            among = list(response.stimulus.captions) if captioned else chosen
            mapping.add(observer, response, among)
            if json:
                print(json_line(response, among), flush=True)
            elif not response.error:
                console.print(response_table(response, among))
    mapping.write(observer)
    end(failures, len(stimuli))


@app.command()
@with_options(EvaluateOptions)
def evaluate(
    stimuli: Annotated[
        list[str],
        typer.Option(
            help="Folder, list or table, archive, name of a dataset, or hf:owner/name:split; "
            "repeatable."
        ),
    ],
    out: Annotated[
        str, written_to("Folder of the run, or s3://bucket/run; the same command resumes it.")
    ],
    options: EvaluateOptions,
    context: typer.Context,
    model: Model = "natural-32",
    print_sbatch: Annotated[
        bool, typer.Option(help="Print Slurm's batch file of this command, and run nothing.")
    ] = False,
) -> None:
    """Show stimuli to a model and keep its trials."""
    if print_sbatch:
        from synthesight.backends import sbatch_file

        if options.jobs is None:
            raise SynthesightError("`print_sbatch` needs `jobs`: say how many share the stimuli.")
        left_out = ("backend", "jobs", "slurm", "print_sbatch")
        words = [sys.executable, "-m", "synthesight", "evaluate", *given_words(context, left_out)]
        print(sbatch_file(words, options.jobs or 1, options.slurm))
        return
    from synthesight.cli.output import print_accuracy
    from synthesight.evaluation import run_evaluation

    try:
        run = run_evaluation(model, stimuli, out, options, progress=True)
    except KeyboardInterrupt as stopped:
        # Whoever is gone, a terminal or a pipe, the exit code is what it should be.
        with suppress(OSError):
            kept = getattr(stopped, "__notes__", ["no trial was made yet."])[0]
            print(f"Stopped{by(stopped)}: {kept}", flush=True)
        raise typer.Exit(code_of(stopped)) from None
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
    out: Annotated[Path, written_to("Folder for the figure and the drawn images.")] = Path("demo"),
) -> None:
    """Tour the bundled models, offline, in a few minutes on two cores."""
    from synthesight.demo import run_demo

    run_demo(out)


add_probes(app)

_format = warnings.formatwarning


def _formatted(message: Warning | str, category: type[Warning], *place: Any, **line: Any) -> str:
    """Write our own warnings as messages, without the place in the code that gave them."""
    if issubclass(category, SynthesightWarning):
        return f"synthesight: {sentence(translate(str(message)))}\n"
    return _format(message, category, *place, **line)


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    warnings.formatwarning = _formatted
    # Of what is wrong with an image, what matters is said by us.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that is no text is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    try:
        with stoppable(last=sys.stdout is sys.__stdout__):
            code = app(prog_name="synthesight", standalone_mode=False)
        sys.stdout.flush()  # what cannot be written is said below
        sys.exit(code)
    except (typer.Abort, KeyboardInterrupt) as stopped:
        say("Stopped.")
        sys.exit(code_of(stopped.__cause__ or stopped))
    except BrokenPipeError:  # `| head` has seen enough
        _discard_output()
        sys.exit(128 + 13)  # as shells count SIGPIPE
    except Exception as error:
        if mistakes.is_usage(error):
            usage = mistakes.sentence(error)
            print(usage if usage.startswith("Usage:") else sentence(usage), file=sys.stderr)
        elif (words := mistakes.in_words(error)) is not None:
            say(translate(words))
        else:
            raise
        if isinstance(error, OSError) and error.filename is None:
            _discard_output()
        sys.exit(2)


def _discard_output() -> None:
    """Let Python not try again, at its end, to write what could not be written."""
    if sys.stdout is sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
