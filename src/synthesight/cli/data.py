"""``synthesight data``: get, check and make datasets of stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.commands import Commands
from synthesight.cli.options import Data, end, seeded, split, written_to
from synthesight.errors import SynthesightError

PEOPLE = "people"  # what `data get` calls their trials
HUMANS = ("human", "humans", "participants", "subjects", "trials")  # and what others do

datasets = typer.Typer(
    name="data",
    cls=Commands,
    help="Get, check and make datasets of stimuli; import trials.",
    no_args_is_help=True,
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

    names = [PEOPLE if name.lower() in HUMANS else name for name in names]
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


@datasets.command("import")
def data_import(
    files: Annotated[
        list[Path], typer.Argument(help="Tables of trials, or folders of them: CSV or JSON.")
    ],
    out: Annotated[Path, written_to("Folder of the CSV files, with a folder for each dataset.")],
    dataset: Annotated[
        str | None, typer.Option(help="Name of the dataset. Default: that of files or folder.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="psychopy, jspsych, toolbox or table. Default: found out.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns by their published names: subj=participant,imagename=stim."),
    ] = None,
    keys: Annotated[
        str | None, typer.Option(help="What keys or buttons mean: f=face,j=house or 0=cat,1=dog.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="human, generative or discriminative; or of each: P01=human,net=generative."
        ),
    ] = None,
    stimuli: Annotated[
        list[str] | None,
        typer.Option(help="What was shown, as `evaluate` takes it: gives categories and factors."),
    ] = None,
) -> None:
    """Read trials of people or models from lab software, spreadsheets or the toolbox."""
    from synthesight.cli.commands import say, translate
    from synthesight.cli.options import pairs
    from synthesight.encoding import sentence
    from synthesight.observers.registry import entries
    from synthesight.trials import import_trials, write_csv

    found = import_trials(
        files,
        dataset,
        format=format,
        columns=pairs(columns, "columns"),
        keys=pairs(keys, "keys"),
        kind=pairs(kind, "kind") if kind and "=" in kind else kind,
        stimuli=stimuli or None,
        kinds={name.lower(): entry.kind for name, entry in entries().items()},
    )
    width = max(map(len, found.facts))
    for name, fact in found.facts.items():
        print(f"{name:{width}}  {sentence(fact)}")
    for note in found.notes:
        say(translate(note))
    trials = found.trials
    if len(unsure := trials.filter(trials["kind"].is_null())["observer"].unique().sort()):
        raise SynthesightError(
            f"Nothing tells whether {', '.join(unsure[:3])} {'is' if len(unsure) == 1 else 'are'} "
            "human: give `kind=human`, `kind=generative` or `kind=discriminative`."
        )
    written = write_csv(trials, out)
    print(f"{len(trials)} trials are in {len(written)} files below {out}.")


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
        str, typer.Option("--from", help="Folder <category>/<image>, list, table or archive.")
    ],
    manipulation: Annotated[
        str,
        typer.Option(help="contrast, low-pass, eidolonI, …, or of ImageNet-C, as imagenet-c:fog."),
    ],
    out: Annotated[Path, written_to("Folder of the new dataset.")],
    level: Annotated[
        list[str] | None,
        typer.Option(help="Condition, such as c10, or severity; repeatable. Default: all."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="A balanced sample of so many images.")] = None,
    seed: Annotated[int, seeded("Of noise, phases and displacements.")] = 0,
) -> None:
    """Make a parametric dataset, such as `contrast`, from any photographs."""
    from synthesight.progress import Progress
    from synthesight.stimuli.find import find_stimuli, sample
    from synthesight.stimuli.make.manipulations import named
    from synthesight.stimuli.make.published import make_dataset

    named(manipulation)
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
    seed: Annotated[int, seeded("Of sizes, turns and the textures' grain.")] = 0,
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
