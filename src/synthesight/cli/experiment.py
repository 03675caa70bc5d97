"""``synthesight experiment``: show stimuli to people, or compare what trainings make of models."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthesight.cli.commands import Commands
from synthesight.cli.options import Data, Device, end, seeded, split, written_to
from synthesight.cli.train import chosen_device
from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    from synthesight.people.server import PeopleServer

experiment = typer.Typer(
    name="experiment",
    cls=Commands,
    help="Run experiments: on people, as a web page, and on trainings.",
    no_args_is_help=True,
)

ME = "me"  # the participant of `--me`

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]


@experiment.command("people")
def experiment_people(
    stimuli: Annotated[
        list[str],
        typer.Argument(help="Folders, tables, names of datasets: as `evaluate --stimuli` takes."),
    ],
    out: Annotated[Path, written_to("Folder of the web site.")],
    trials: Annotated[
        int | None, typer.Option(help="Of each participant; default: all stimuli.")
    ] = None,
    seed: Annotated[int, seeded("Of orders and names.")] = 0,
    offline: Annotated[
        bool, typer.Option("--offline", help="Bring jsPsych by npm, so that no page needs the web.")
    ] = False,
    me: Annotated[
        bool, typer.Option("--me", help="Then take part yourself, in the browser here.")
    ] = False,
    data: Data = None,
) -> None:
    """Make a web experiment that shows stimuli to people, as published: 200 ms, a mask, 16 classes.

    Texts and times are in study.toml in the folder: edit it, and run the same command again.
    """
    from synthesight.people.server import PeopleServer
    from synthesight.people.site import build_site
    from synthesight.progress import Progress
    from synthesight.stimuli.find import find_stimuli

    found = find_stimuli(stimuli, data=data)
    with Progress("Writing images", len(found), show=True) as progress:
        failures = build_site(
            found,
            out,
            trials=trials,
            seed=seed,
            offline=offline,
            report=progress.advance,
        )
    if me:
        _take_part(PeopleServer(out))
    else:
        print(
            f"The experiment is in {out}. Edit {out / 'study.toml'} and run this again, or try it: "
            f"synthesight experiment serve {out}"
        )
    end(failures, len(found))


@experiment.command("serve")
def experiment_serve(
    site: Annotated[Path, typer.Argument(help="Folder of `experiment people`.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Serve an experiment, and append each trial to a file as soon as it is done."""
    from synthesight.cli.output import print_participants
    from synthesight.people.participants import overview
    from synthesight.people.server import PeopleServer

    def tell(participant: str, session: int, finished: bool) -> None:
        if finished:
            print(f"{participant} has finished session {session}.", flush=True)

    with PeopleServer(site, host, port, tell) as server:
        print(f"{server.address} shows the experiment; Ctrl-C stops it.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    people = overview(site)
    if people.is_empty():
        print("Nobody has done a trial.")
    else:
        print_participants(people)
        print(f"All of them beside the published people: synthesight report {site / 'data'}")


@experiment.command("augmentation")
def experiment_augmentation(
    train: Annotated[str, typer.Option(help="Training images: those of CIFAR-10, with labels.")],
    test: Annotated[str, typer.Option(help="Test images, with the same labels.")],
    out: Annotated[Path, written_to("Folder of the experiment; the same command resumes it.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes of each training.")] = 9,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 128,
    seeds: Annotated[int, typer.Option(min=1, max=10, help="Trainings of each kind.")] = 3,
    sigma: Annotated[float, typer.Option(help="Of Gaussian noise, for pixels in [0, 1].")] = 0.5,
    blur: Annotated[float, typer.Option(help="Standard deviation, in pixels.")] = 1.0,
    per_class: Annotated[int, typer.Option(min=1, help="Test images to manipulate.")] = 14,
    beside: Annotated[
        str, typer.Option(help="Models to show the same stimuli to: names between commas, or none.")
    ] = "natural-32",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that make images. Default: one a core.")
    ] = None,
    parallel: Annotated[
        int, typer.Option(min=1, help="Trainings at once: a small network does not fill a GPU.")
    ] = 1,
    data: Data = None,
    device: Device = None,
) -> None:
    """Train one network plain, with diffusion noise, Gaussian noise and blur; compare its sight."""
    from synthesight.cli.output import print_results
    from synthesight.experiments.augmentation import (
        CLEAN,
        DRAWN,
        MANIPULATED,
        AugmentationOptions,
        run_augmentation,
    )
    from synthesight.experiments.results import write_figure, write_table
    from synthesight.stimuli.make import MANIPULATIONS

    options = AugmentationOptions(epochs, batch_size, seeds, sigma, blur, per_class)
    figures = run_augmentation(
        train,
        test,
        out,
        options,
        device=chosen_device(device),
        data=data,
        beside=[] if beside == "none" else split(beside) or [],
        jobs=jobs,
        parallel=parallel,
    )
    table = write_table(figures, out / "augmentation.csv")
    columns = [("shape bias", "cue-conflict"), ("shape bias", DRAWN), ("accuracy", CLEAN)]
    columns += [("accuracy", MANIPULATED)]
    columns += [("error consistency", name) for name in ("cue-conflict", "edge", "silhouette")]
    print_results(table, columns)
    print_results(table, [("accuracy", name) for name in MANIPULATIONS])
    write_figure(figures, table, out / "augmentation")
    print(f"Table, figure and trials are in {out}. As a page: synthesight report {out / 'runs'}/*")


@experiment.command("cues")
def experiment_cues(
    out: Annotated[Path, written_to("Folder of the experiment; the same command resumes it.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the generative training.")] = 2000,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 64,
    per_category: Annotated[
        int, typer.Option(min=1, help="Training images of each category.")
    ] = 200,
    width: Annotated[int, typer.Option(help="Width of the transformer, a multiple of 64.")] = 64,
    depth: Annotated[int, typer.Option(min=1, help="Blocks of the transformer.")] = 6,
    draws: Annotated[int, typer.Option(min=1, help="Draws of a class at most.")] = 64,
    fitted: Annotated[int, typer.Option(min=2, help="Images to fit the time weighting to.")] = 96,
    seeds: Annotated[int, typer.Option(min=1, max=10, help="Trainings of each learner.")] = 1,
    device: Device = None,
) -> None:
    """Train learners on drawings whose cues agree, and see which cue they follow in conflict."""
    from synthesight.cli.output import print_results
    from synthesight.experiments.cues import AGREE, DATASET, SHAPE, TEXTURE, CuesOptions, run_cues
    from synthesight.experiments.results import write_figure, write_table

    if width < 64 or width % 64:
        raise SynthesightError("`width` must be a multiple of 64.")
    options = CuesOptions(
        steps=steps,
        batch_size=batch_size,
        per_category=per_category,
        width=width,
        depth=depth,
        draws=draws,
        fitted=fitted,
        seeds=seeds,
    )
    figures = run_cues(out, options, device=chosen_device(device))
    table = write_table(figures, out / "cues.csv")
    columns = [("shape bias", DATASET)]
    columns += [("accuracy", name) for name in (AGREE, SHAPE, TEXTURE)]
    print_results(table, columns)
    write_figure(figures, table, out / "cues")
    print(f"Table, figure and trials are in {out}. As a page: synthesight report {out / 'runs'}/*")


def _take_part(server: PeopleServer) -> None:
    """Serve until the user has done the trials, and say how to see them in the figures."""
    keeper = server.keeper
    session = next(number for number in range(1, 100) if not keeper.finished(ME, number))
    done = threading.Event()
    server.tell = lambda participant, _, finished: (
        done.set() if finished and participant == ME else None
    )
    address = f"{server.address}?participant={ME}&session={session}"
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        opened = webbrowser.open(address)
        print(f"{'Opened' if opened else 'Open'} {address} in a browser; Ctrl-C stops.", flush=True)
        try:
            while not done.wait(0.5):
                pass
            done.clear()
            done.wait(3)  # for the last screen to send what it measured
        except KeyboardInterrupt:
            print()
        server.shutdown()
    if not keeper.progress(ME, session):
        raise SynthesightError("You did no trial: run it again to take part.")
    print(
        f"Your trials are in {keeper.site / 'data'}. You, the people and the networks in one page: "
        f"synthesight report {keeper.site / 'data'}"
    )
