"""``synthesight illusion``: ambiguous images, and what observers make of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.commands import Commands, say, translate
from synthesight.cli.options import with_options, written_to
from synthesight.errors import SynthesightError
from synthesight.observers.options import ModelOptions

illusion = typer.Typer(
    name="illusion",
    cls=Commands,
    help="Measure what models see in ambiguous images.",
    no_args_is_help=True,
)

Models = Annotated[
    list[str],
    typer.Option("--model", "-m", help="Name, folder or file of a model; repeatable."),
]


@illusion.command("dial")
@with_options(ModelOptions)
def illusion_dial(
    options: ModelOptions,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two images, or folders or tables with the two classes. Default: drawn ones."
        ),
    ] = None,
    out: Annotated[
        Path, written_to("Folder for images, runs, tables and figures; it can be resumed.")
    ] = Path("illusion-dial"),
    model: Models = ["natural-32", "natural-32-cnn"],  # noqa: B006
    kind: Annotated[str, typer.Option(help="hybrid, cross-fade or outline (drawn).")] = "hybrid",
    steps: Annotated[int, typer.Option(help="Steps of the dial.")] = 9,
    span: Annotated[
        str | None,
        typer.Option(help="First and last cut-off (cycles an image) or share: LOW,HIGH."),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of images.")] = 1,
    blur: Annotated[
        list[float] | None,
        typer.Option(help="Show the images blurred to so many cycles as well; repeatable."),
    ] = None,
    shrink: Annotated[
        list[float] | None,
        typer.Option(help="Show the images so many times smaller as well; repeatable."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side in pixels. Default: the smallest image's.")
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Leave out colours.")] = False,
    trials: Annotated[
        list[Path] | None,
        typer.Option(help="Trials of others with the columns dial and toward; repeatable."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the bootstrap.")] = 2000,
) -> None:
    """Turn images from one class to another: who sees which, and where are both equal?"""
    import polars as pl

    from synthesight.cli.output import print_equality
    from synthesight.observers.class_files import read_classes
    from synthesight.probes.dial import dial_pairs, dial_section, show_dial
    from synthesight.report.kept import keep_section
    from synthesight.stimuli.find import find_stimuli
    from synthesight.stimuli.make.blends import WHOLE
    from synthesight.stimuli.make.dial import dial_stimuli
    from synthesight.trials.reading import read_trials

    if options.classes is None:
        raise SynthesightError("`classes` is needed: name the two that the dial is between.")
    named = list(read_classes(options.classes).names)
    between = (named[0], named[1])
    found = find_stimuli(list(images)) if images else []
    ends = _numbers(span) if span is not None else None
    chosen = dial_pairs(found, between, kind, pairs=pairs, seed=options.seed)
    views = [WHOLE, *(f"blur-{one:g}" for one in blur or ())]
    views += [f"shrink-{one:g}" for one in shrink or ()]
    stimuli = dial_stimuli(chosen, kind, steps=steps, span=ends, views=views, size=size, grey=grey)
    shown = show_dial(model, stimuli, out, options, progress=True)
    tables = [shown, *(read_trials(path) for path in trials or ())]
    section = dial_section(pl.concat(tables, how="diagonal_relaxed"), resamples)
    keep_section(section, out)
    print_equality(section.tables["dial"])
    print(f"Images, runs, tables and figures are in {out}.")


@illusion.command("classics")
@with_options(ModelOptions)
def illusion_classics(
    options: ModelOptions,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures of your own, with two prompts. Default: drawn classics."),
    ] = None,
    out: Annotated[
        Path, written_to("Folder for pictures, errors, tables and figures; it can be resumed.")
    ] = Path("illusion-classics"),
    model: Models = ["natural-32"],  # noqa: B006
    name: Annotated[
        list[str] | None,
        typer.Option(help="duck-rabbit, vase-faces, kanizsa, necker or rock-face; repeatable."),
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="Draws of each prompt.")] = 100,
) -> None:
    """Show classic illusions: which reading leads, and does the other stay in the running?

    Two prompts name the readings, and a third one fits both. Without them, a model that says which
    classes it knows is asked for the nearest ones, and others for the readings themselves.
    """
    from synthesight.cli.output import print_readings
    from synthesight.observers.loading import open_observer
    from synthesight.probes.classics import Rivals, readings
    from synthesight.report.kept import keep_section
    from synthesight.stimuli.find import find_stimuli
    from synthesight.stimuli.make.classics import classic_stimuli

    rivals = None
    if options.prompt:
        given = [str(text) for text in options.prompt]  # type: ignore[union-attr] # repeatable
        if len(given) not in (2, 3):
            raise SynthesightError(
                f"`prompt` is given {len(given)} times: give two, one for each reading, and "
                "perhaps a third that fits both."
            )
        first, second, *neutral = given
        rivals = Rivals((first, second), (first, second), *neutral)
    elif images:
        raise SynthesightError("Pictures of your own need `prompt` twice: once for each reading.")
    stimuli = find_stimuli(list(images)) if images else classic_stimuli(name or ())
    for stimulus in stimuli:
        path = out / "pictures" / f"{stimulus.id.replace('/', '-')}.png".replace(".png.png", ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        stimulus.open().save(path)
    observers = [open_observer(each, replace(options, prompt=None)) for each in model]
    section, left_out = readings(observers, stimuli, rivals, draws=draws, out=out / "errors")
    keep_section(section, out)
    print_readings(section.tables["readings"])
    print(f"Pictures, errors, tables and figures are in {out}.")
    for sentence in left_out:
        say(translate(sentence))


def _numbers(text: str) -> tuple[float, float]:
    try:
        first, last = map(float, text.split(","))
    except ValueError:
        raise SynthesightError(f"`span={text!r}` cannot be: write two numbers, LOW,HIGH.") from None
    return first, last
