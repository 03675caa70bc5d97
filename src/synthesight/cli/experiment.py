"""``synthesight experiment``: show stimuli to people, as a web page."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthesight.cli.options import MOST_SEED, Commands, Data, end, written_to
from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    from synthesight.people.server import PeopleServer

experiment = typer.Typer(
    cls=Commands, help="Run experiments on people, as a web page.", no_args_is_help=True
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
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of orders and names.")] = 0,
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
    from synthesight.people.overview import overview
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
