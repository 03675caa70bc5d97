"""The command line: thin, one function a command. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import codecs
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from synthesight import __version__
from synthesight.cli import mistakes
from synthesight.cli.analyse import analyse
from synthesight.cli.analysis import cite, export, power, report
from synthesight.cli.app import app as app_in_browser
from synthesight.cli.calibrate import calibrate, fit_weighting
from synthesight.cli.classify import classify
from synthesight.cli.commands import Commands, say, translate
from synthesight.cli.compare import compare
from synthesight.cli.convert import convert
from synthesight.cli.data import datasets
from synthesight.cli.evaluate import evaluate
from synthesight.cli.experiment import experiment
from synthesight.cli.illusion import illusion
from synthesight.cli.info import info
from synthesight.cli.options import written_to
from synthesight.cli.probes import command_of
from synthesight.cli.push import push
from synthesight.cli.reproduce import reproduce
from synthesight.cli.runs import check, merge, status
from synthesight.cli.study import study
from synthesight.cli.train import training
from synthesight.encoding import plain, sentence
from synthesight.errors import SynthesightWarning
from synthesight.probes.registry import probes
from synthesight.stopping import code_of, stoppable

SIGPIPE = 128 + 13  # as shells count it

ABOUT = "Classify images with generative models, and measure how human-like they see."

app = typer.Typer(
    name="synthesight",
    cls=Commands,
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True, help=ABOUT)
def root(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"synthesight {__version__}")
        raise typer.Exit


def models(
    pattern: Annotated[
        str, typer.Argument(metavar="NAME", help='Name with wildcards, such as "stable-*".')
    ] = "*",
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list of all facts.")] = False,
) -> None:
    """List the known models; one alone with all that is known of it."""
    from synthesight.cli.output import print_models

    print_models(pattern, json)


@app.command(hidden=True)
def version() -> None:
    """Print the version."""
    root(version=True)


def demo(
    out: Annotated[Path, written_to("Folder for the figure and the drawn images.")] = Path("demo"),
) -> None:
    """Tour the bundled models, offline, in a few minutes on two cores."""
    from synthesight.demo import run_demo

    run_demo(out)


# The panels of help, with what is in them: functions, and groups of commands.
PANELS: dict[str, tuple[Any, ...]] = {
    "Classify and evaluate": (classify, evaluate, study, models, demo, app_in_browser, info),
    "Analyse and report": (report, compare, export, cite, power, reproduce, analyse),
    "Look after runs": (status, check, merge, push),
    "Probe": (*(command_of(each) for each in probes().values()), illusion),
    "Make models": (calibrate, fit_weighting, convert, training),
    "Stimuli and people": (datasets, experiment),
}
for panel, members in PANELS.items():
    for member in members:
        if isinstance(member, typer.Typer):
            app.add_typer(member, rich_help_panel=panel)
        else:
            app.command(rich_help_panel=panel)(member)

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
    codecs.register_error("plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that is no text is no reason to stop
            stream.reconfigure(errors="plain")
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
        sys.exit(SIGPIPE)
    except SystemExit as ended:
        # Libraries that print may have met the closed pipe, and end with 1.
        sys.exit(SIGPIPE if isinstance(ended.__context__, BrokenPipeError) else ended.code)
    except Exception as error:
        if mistakes.is_usage(error):
            # A command alone is answered by its help, which is printed by then.
            if type(error).__name__ != "NoArgsIsHelpError":
                print(sentence(mistakes.sentence(error)), file=sys.stderr)
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
