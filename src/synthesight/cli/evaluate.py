"""``synthesight evaluate``: one run for each model, and what it says in a table."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from synthesight.cli.commands import given_words
from synthesight.cli.options import end, names_of_models, with_options, written_to
from synthesight.cli.words import EXAMPLES
from synthesight.errors import SynthesightError
from synthesight.observers.options import EvaluateOptions
from synthesight.stopping import by, code_of

if TYPE_CHECKING:
    from synthesight.trials.store import Run


@with_options(EvaluateOptions)
def evaluate(
    options: EvaluateOptions,
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Models, as --model takes them. Default: natural-32.",
            autocompletion=names_of_models,
        ),
    ] = None,
    stimuli: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder, list or table, archive, name of a dataset, or hf:owner/name:split; "
            "repeatable."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A name of `synthesight models`, a folder or file, or owner/model; repeatable.",
            autocompletion=names_of_models,
        ),
    ] = None,
    out: Annotated[
        str | None,
        written_to(
            "Folder of the run, or s3://bucket/run; the same command resumes it. Of several "
            "models: a folder of their runs. Default: runs/MODEL-STIMULI."
        ),
    ] = None,
    print_sbatch: Annotated[
        bool,
        typer.Option("--print-sbatch", help="Print Slurm's batch file, and run nothing."),
    ] = False,
) -> None:
    """Show stimuli to one or several models, and keep their trials as runs."""
    from synthesight.observers.registry import resolve

    names = _names([*(models or []), *(model or [])])
    stimuli = _stimuli(stimuli, names, options)
    runs = _places(names, stimuli, out)
    if print_sbatch:
        _print_sbatch(context, options, runs)
        return
    for name in names:  # what is wrong with the last one is told before the first one runs
        resolve(name)
    from synthesight.cli.output import print_accuracy
    from synthesight.evaluation import run_evaluation

    made: dict[str, Run] = {}
    for name, place in runs.items():
        try:
            made[place] = run_evaluation(name, stimuli, place, options, progress=True)
        except KeyboardInterrupt as stopped:
            # Whoever is gone, a terminal or a pipe, the exit code is what it should be.
            with suppress(OSError):
                kept = getattr(stopped, "__notes__", ["no trial was made yet."])[0]
                print(f"Stopped{by(stopped)}: {kept}", flush=True)
            raise typer.Exit(code_of(stopped)) from None
        except SynthesightError:
            if made:  # of those before, nothing is lost
                _say_what_next(list(made))
            raise
    tables = [run.trials() for run in made.values()]
    print_accuracy(tables)
    _say_what_next(list(made))
    failures = [error for table in tables for error in table["error"].drop_nulls()]
    end(failures, sum(map(len, tables)))


def _several(given: Sequence[str]) -> list[str]:
    """Return names of which some may be given between commas."""
    names = []
    for each in given:
        whole = "," not in each or "://" in each or {*"*{["} & {*each}
        if whole or Path(each).expanduser().exists():
            names.append(each)
        else:
            names += [name.strip() for name in each.split(",")]
    return names


def _names(given: Sequence[str]) -> list[str]:
    """Return the names of the models, each once."""
    names = _several(given or ["natural-32"])
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SynthesightError(f"The model {twice} is given twice: give each model once.")
    return names


def _stimuli(given: list[str] | None, names: Sequence[str], options: EvaluateOptions) -> list[str]:
    """Return what is shown; where it is missing, say what to type."""
    from synthesight.observers.registry import entries
    from synthesight.stimuli.datasets import datasets

    if given:
        if stray := next((n for n in names if n in datasets() and n not in entries()), None):
            raise SynthesightError(
                f"{stray} is a dataset and no model: write --stimuli before each dataset, as in "
                f"--stimuli {given[0]} --stimuli {stray}."
            )
        return _several(given)
    if str(options.config).endswith((".yaml", ".yml", ".toml")):
        raise SynthesightError(
            f"`config` is of a model: type `synthesight study {options.config}` for a file of "
            "evaluations."
        )
    shown = [
        name
        for name in names
        if name not in entries() and (name in datasets() or "://" in name or Path(name).exists())
    ]
    models = [name for name in names if name not in shown] or ["natural-32"]
    words = ["evaluate", *models, *(w for name in shown for w in ("--stimuli", name))]
    hint = " ".join(words) if shown else EXAMPLES["evaluate"]
    raise SynthesightError(f"`stimuli` is missing: type, for example, `synthesight {hint}`.")


def _places(names: Sequence[str], stimuli: Sequence[str], out: str | None) -> dict[str, str]:
    """Return where the run of each model goes.

    Raises
    ------
    SynthesightError
        If two would go to one place.
    """
    if len(names) == 1 and out is not None:
        return {names[0]: out}
    shown = "+".join(map(_short, stimuli))
    base = "runs" if out is None else out.rstrip("/\\")
    places = {
        name: f"{base}/{_short(name)}" + (f"-{shown}" if out is None else "") for name in names
    }
    if len(set(places.values())) < len(names):
        raise SynthesightError(
            "Two of the models have one name, and their runs would be one: give each a command and "
            "an `out` of its own."
        )
    return places


def _short(name: str) -> str:
    """Return the last part of a path or name as a name of a folder."""
    last = PurePosixPath(name.replace("\\", "/").replace(":", "/").rstrip("/")).name
    stem = re.sub(r"\.(safetensors|csv|tsv|json|jsonl|parquet|zip|tar|gz)$", "", last)
    return re.sub(r"[^\w.@-]+", "-", stem).strip("-.")[:80] or "run"


def _say_what_next(places: Sequence[str]) -> None:
    """Print where runs are, and what can be done with them."""
    print(f"The run{'s are' if len(places) > 1 else ' is'} in {', '.join(places)}.")
    if len(places) == 2:
        print(f"Do they differ: synthesight compare {places[0]} {places[1]}")
    print(f"Beside people, as a page: synthesight report {' '.join(places)} --open")


def _print_sbatch(context: typer.Context, options: EvaluateOptions, runs: dict[str, str]) -> None:
    from synthesight.backends import sbatch_file

    if options.jobs is None:
        raise SynthesightError("`print_sbatch` needs `jobs`: say how many share the stimuli.")
    if len(runs) > 1:
        raise SynthesightError("`print_sbatch` is for one model: print a file for each.")
    left_out = ("backend", "jobs", "slurm", "print_sbatch", "model", "models", "out")
    ((name, place),) = runs.items()
    words = [sys.executable, "-m", "synthesight", "evaluate", "--model", name, "--out", place]
    print(sbatch_file([*words, *given_words(context, left_out)], options.jobs, options.slurm))
