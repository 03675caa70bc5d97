"""``synthesight data``: get, check and make datasets of stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.options import MOST_SEED, Commands, Data, end, split, written_to
from synthesight.errors import SynthesightError

PEOPLE = "people"  # what `data get` calls their trials

datasets = typer.Typer(
    cls=Commands, help="Get, check and make datasets of stimuli.", no_args_is_help=True
)


@datasets.command("list")
def data_list(data: Data = None) -> None:
    """List the 17 published datasets, and where those that are here are."""
    from synthesight.cli.output import print_datasets

    print_datasets(data)


@datasets.command("get")
def data_get(
    names: Annotated[
        list[str],
        typer.Argument(help="Datasets by name, `people` for the trials of people, or `all`."),
    ],
    data: Data = None,
    sha256: Annotated[str | None, typer.Option(help="Expected hash of the archive.")] = None,
) -> None:
    """Download published datasets, and the trials of people, that are not here yet."""
    from synthesight.cli.output import print_people
    from synthesight.stimuli.datasets import dataset
    from synthesight.stimuli.datasets import datasets as known
    from synthesight.stimuli.datasets.local import dataset_folder, local_folder
    from synthesight.trials import get_people

    everything = names == ["all"]
    people = everything or PEOPLE in names
    wanted = list(known()) if everything else [dataset(n).name for n in names if n != PEOPLE]
    if sha256 is not None and (people or len(wanted) > 1):
        raise SynthesightError("`sha256` is of one archive: name one dataset.")
    if people:
        print_people(get_people(data))
    for name in wanted:
        if sha256 is not None and (here := local_folder(name, data)):
            raise SynthesightError(
                f"{name} is in {here} already, and no archive is left to check: leave out "
                "`sha256`, or give another `data`."
            )
        print(f"{name} is in {dataset_folder(name, data, sha256=sha256)}")


@datasets.command("check")
def data_check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets by name; default: those that are here.")
    ] = None,
    data: Data = None,
) -> None:
    """Read every image of datasets, and count them by condition and category."""
    from synthesight.cli.output import print_check
    from synthesight.progress import Progress
    from synthesight.stimuli.checking import check_images
    from synthesight.stimuli.datasets import datasets as known
    from synthesight.stimuli.datasets.local import local_folder
    from synthesight.stimuli.find import find_stimuli

    here = names or [name for name in known() if local_folder(name, data)]
    if not here:
        raise SynthesightError("No dataset is here to check: `synthesight data get` fetches some.")
    failures: list[str] = []
    count = 0
    for name in here:
        stimuli = find_stimuli(local_folder(name, data) or name, data=data)
        with Progress(name, len(stimuli), show=True) as progress:
            broken = check_images(stimuli, progress.advance)
        print_check(name, stimuli, broken)
        failures += broken
        count += len(stimuli)
    end(failures, count)


@datasets.command("make")
def data_make(
    photographs: Annotated[
        str, typer.Option("--from", help="Folder <category>/<image>, Parquet or CSV file.")
    ],
    manipulation: Annotated[
        str, typer.Option(help="contrast, low-pass, eidolonI, …: a parametric dataset's name.")
    ],
    out: Annotated[Path, written_to("Folder of the new dataset.")],
    level: Annotated[
        list[str] | None,
        typer.Option(help="Condition, such as c10; repeatable. Default: all published ones."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="A balanced sample of so many images.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Of noise, phases and displacements.")
    ] = 0,
) -> None:
    """Make a parametric dataset, such as `contrast`, from any photographs."""
    from synthesight.progress import Progress
    from synthesight.stimuli.find import find_stimuli, sample
    from synthesight.stimuli.make.published import make_dataset

    stimuli = find_stimuli(photographs)
    if limit is not None:
        stimuli = sample(stimuli, limit=limit, seed=seed)
    with Progress("Making images", len(stimuli), show=True) as progress:
        failures = make_dataset(
            stimuli, manipulation, out, conditions=level or (), seed=seed, report=progress.advance
        )
    print(f"{len(stimuli) - len(failures)} images, manipulated, are in {out}.")
    end(failures, len(stimuli))


@datasets.command("draw")
def data_draw(
    out: Annotated[Path, written_to("Folder of the new dataset.")],
    classes: Annotated[
        str | None, typer.Option(help="Categories of both cues: cat,dog,…; default: all 16.")
    ] = None,
    per_pair: Annotated[int, typer.Option(help="Images of each shape in each texture.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Of sizes, turns and the textures' grain.")
    ] = 0,
) -> None:
    """Draw a cue-conflict dataset, offline: our shapes filled with our textures."""
    from synthesight.progress import Progress
    from synthesight.stimuli.categories import SIXTEEN
    from synthesight.stimuli.make.drawn import drawn_cue_conflict, save

    cues = split(classes) or list(SIXTEEN)
    if per_pair < 1:
        raise SynthesightError(f"`per_pair={per_pair}` leaves nothing to draw: give 1 or more.")
    if len(set(cues)) < max(2, len(cues)):
        raise SynthesightError("`classes`: give two or more different categories.")
    count = 0
    with Progress("Drawing", len(cues), show=True) as progress:
        for shape in cues:
            drawn = drawn_cue_conflict(shapes=[shape], textures=cues, per_pair=per_pair, seed=seed)
            save(drawn, out)
            count += len(drawn)
            progress.advance()
    print(f"{count} cue-conflict images, drawn, are in {out}.")
