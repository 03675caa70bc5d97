"""``synthesight study``: many runs from one file, planned first and compared at the end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.commands import say
from synthesight.cli.options import Device, Population, written_to
from synthesight.stopping import by, code_of


def study(
    study: Annotated[Path, typer.Argument(help="The study's file: YAML, TOML or JSON.")],
    out: Annotated[
        Path | None, written_to("Folder of the study. Default: the file's name without its suffix.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Check the study and print its plan only.")
    ] = False,
    device: Device = None,
    backend: Annotated[
        str | None, typer.Option(help="Where models answer: local (default), ray or slurm.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster: host:port, or auto.")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Slurm: jobs that share each run. Ray: workers at most.")
    ] = None,
    slurm: Annotated[
        str | None, typer.Option(help="Options of sbatch, such as partition=gpu,time=4:00:00.")
    ] = None,
    shard: Annotated[
        str, typer.Option(help="i/n: show the i-th of n parts of each run's stimuli.")
    ] = "1/1",
    track: Annotated[
        str | None, typer.Option(help="Log to jsonl:FILE, trackio:PROJECT or wandb:PROJECT.")
    ] = None,
    population: Population = "new-stimuli",
    resamples: Annotated[
        int, typer.Option(min=1, help="Bootstrap resamples behind the intervals.")
    ] = 2000,
) -> None:
    """Run a study: models × prompts × weightings × rules × stimuli × seeds.

    The whole is checked and its plan printed before anything runs. The same command goes on where
    an earlier one stopped, and makes a new run of what was changed.
    """
    from dataclasses import replace

    from rich.console import Console

    from synthesight.analysis import check_population
    from synthesight.backends.checking import read_shard
    from synthesight.cli.output import frame_table, population_caption
    from synthesight.report.report import write_report
    from synthesight.report.sources import gather
    from synthesight.studies import Study, plan_study, run_study
    from synthesight.tracking import check_tracker

    read_shard(shard)
    chosen = check_population(population)
    asked = Study.read(study, device=device, backend=backend, address=address, jobs=jobs,
                       slurm=slurm)  # fmt: skip
    asked = asked if track is None else replace(asked, track=track)
    if asked.track is not None:
        check_tracker(asked.track)
    folder = study.with_suffix("") if out is None else out
    console = Console()
    plan = plan_study(asked, folder)
    table = plan.table()
    bases = table["known from"].unique().to_list()
    same = len(set(bases) - {""}) < 2
    console.print(frame_table(table.drop("known from") if same else table, f"Plan of {study}", 40))
    based = f" Passes are {max(bases)}." if same and max(bases, default="") else ""
    print(f"{plan.sentence}{based}", flush=True)
    for remark in plan.remarks:
        say(remark)
    if dry_run:
        return
    try:
        outcome = run_study(
            asked, folder, shard=shard, population=chosen, progress=True,
            say=lambda text: print(text, flush=True),
        )  # fmt: skip
    except KeyboardInterrupt as stopped:
        with suppress(OSError):  # of a terminal that is gone
            print(f"Stopped{by(stopped)}: all trials are kept; the same command goes on.")
        raise typer.Exit(code_of(stopped)) from None
    results = outcome.results.drop("run")
    if not results["unreadable"].sum():
        results = results.drop("unreadable")
    if not results["shape_bias"].count():
        results = results.drop("shape_bias", "shape_bias_low", "shape_bias_high")
    console.print(frame_table(results.drop("population"), f"Results of {study}", 40))
    print(population_caption(results) or "")
    shown = [row for row in outcome.plan.rows if row.done]
    notes: list[str] = []
    if shown:
        trials = gather([row.folder for row in shown], fetch=True, note=notes.append,
                        called=[row.cell.observer for row in shown])  # fmt: skip
        if len(trials.drop_nulls("response")):
            page = write_report(
                trials, folder / "report", population=chosen, resamples=resamples, notes=notes
            )
            print(f"The table is {folder / 'results.csv'}, the page {page}.")
    for note in notes:
        say(note)
    left = [row for row in outcome.plan.rows if not row.finished]
    if left:
        print(f"{len(left)} of {len(outcome.plan.rows)} runs are not finished: the same command "
              "goes on.")  # fmt: skip
    unread = int(outcome.results["unreadable"].sum())
    if outcome.failures or unread:
        for failure in outcome.failures:
            say(failure)
        if unread:
            say(f"{unread} images could not be read: `synthesight status` of the runs counts them.")
        raise typer.Exit(2)
