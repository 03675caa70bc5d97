"""The command line: thin, one function a command. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from synthesight import __version__
from synthesight.errors import SynthesightError

app = typer.Typer(
    name="synthesight",
    help="Classify images with generative models, and measure how human-like they see.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
training = typer.Typer(help="Train the small models that ship.", no_args_is_help=True)
app.add_typer(training, name="train")

datasets = typer.Typer(help="Get, check and make datasets of stimuli.", no_args_is_help=True)
app.add_typer(datasets, name="data")

Model = Annotated[
    str, typer.Option(help="A name of `synthesight models`, a folder, or owner/model.")
]
Classes = Annotated[str | None, typer.Option(help="Categories to choose among: cat,dog,…")]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", help='Template, may be repeated. Default "A bad photo of a {class}".'),
]
RuleName = Annotated[
    str, typer.Option("--rule", help="sequential, exhaustive, staged or repeated-t.")
]
Delta = Annotated[
    float, typer.Option(help="Probability that `sequential` drops what `exhaustive` would choose.")
]
MaxDraws = Annotated[int, typer.Option(help="Draws a class at most.")]
Weighting = Annotated[
    str | None, typer.Option(help="jaini, epsilon, elbo or uniform; default: the model's own.")
]
Labels = Annotated[
    Path | None,
    typer.Option(help="For class-conditional models: JSON file of class → list of labels."),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the datasets; default: SYNTHESIGHT_DATA, else the cache."),
]
Combine = Annotated[str, typer.Option(help="How labels make a class: logsumexp or best.")]
Seed = Annotated[int, typer.Option(help="Of the draws.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, …; default: the GPU if there is one.")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")]
BatchSize = Annotated[
    int | None, typer.Option(help="Network evaluations a batch; default: found by measurement.")
]


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
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of them.")],
    model: Model = "natural-32",
    classes: Classes = None,
    prompt: Prompts = None,
    rule: RuleName = "sequential",
    delta: Delta = 0.01,
    max_draws: MaxDraws = 200,
    weighting: Weighting = None,
    labels: Labels = None,
    combine: Combine = "logsumexp",
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say what images show: the class, the evidence for each, and what it cost."""
    from synthesight.cli_output import Progressing, json_line, response_table
    from synthesight.stimuli.folders import find_stimuli

    stimuli = [stimulus for path in images for stimulus in find_stimuli(path)]
    names = _split(classes)
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
    _end(failures, len(stimuli))


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
    rule: RuleName = "sequential",
    delta: Delta = 0.01,
    max_draws: MaxDraws = 200,
    weighting: Weighting = None,
    labels: Labels = None,
    combine: Combine = "logsumexp",
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    limit: Annotated[int | None, typer.Option(help="A balanced sample of so many stimuli.")] = None,
    shard: Annotated[str, typer.Option(help="i/n: the i-th of n parts, for n processes.")] = "1/1",
) -> None:
    """Show stimuli to a model and keep its trials."""
    from synthesight import evaluation
    from synthesight.cli_output import Progressing, print_accuracy
    from synthesight.stimuli.folders import find_stimuli, sample

    part = _shard(shard)
    shown = [stimulus for source in stimuli for stimulus in find_stimuli(source)]
    names = _split(classes)
    if names is not None:
        before = len(shown)
        shown = evaluation.answerable(shown, names)
        if len(shown) < before:
            print(f"{before - len(shown)} of {before} stimuli show other categories: left out.")
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
                classes=names,
                shard=part,
                report=lambda response: progress.advance(),
            )
    except KeyboardInterrupt:
        print(f"Stopped; what was decided is in {out}, and the same command goes on from there.")
        raise typer.Exit(130) from None
    trials = run.trials()
    print_accuracy(trials)
    _end(trials["error"].drop_nulls().to_list(), len(trials))


@app.command()
def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs of `evaluate`, or folders of published CSV trials."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page, figures and tables.")] = Path(
        "report"
    ),
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with human-trials and model-trials; default: SYNTHESIGHT_DATA."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples behind the intervals.")
    ] = 1000,
) -> None:
    """Compare runs with people: one page, its figures and its tables."""
    from rich.console import Console

    from synthesight.report.coverage import strangers
    from synthesight.report.report import write_report
    from synthesight.report.sources import gather
    from synthesight.report.tables import with_people

    if resamples < 1:
        raise SynthesightError(f"--resamples {resamples} leaves no intervals: give 1 or more.")
    trials = gather(runs or [], data)
    with Console(stderr=True).status("Reporting") as status:
        page = write_report(
            trials,
            out,
            resamples=resamples,
            report=lambda what: status.update(f"Reporting: {what}"),
        )
    print(f"{len(trials)} trials in {trials['dataset'].n_unique()} datasets; open {page}")
    if problems := strangers(with_people(trials)):
        for problem in problems:
            print(f"synthesight: {problem}", file=sys.stderr)
        raise typer.Exit(2)


@app.command()
def export(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs of `evaluate`, or folders of published CSV trials.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for <dataset>/<dataset>_<observer>_….csv.")],
) -> None:
    """Write trials in the published CSV layout, which the model-vs-human toolbox plots."""
    import polars as pl

    from synthesight.trials.exchange import write_csv
    from synthesight.trials.reading import read_trials

    trials = pl.concat([read_trials(run) for run in runs])
    files = write_csv(trials, out)
    shown = trials["error"].null_count()
    unread = len(trials) - shown
    left_out = f"; {unread} images that could not be read are left out" if unread else ""
    print(f"{shown} trials are in {len(files)} files below {out}{left_out}.")


@app.command()
def power(
    accuracy: Annotated[list[float], typer.Option(help="Of each of the two observers: twice.")],
    kappa: Annotated[float, typer.Option(help="Their true error consistency.")],
    difference: Annotated[
        float | None, typer.Option(help="Of another observer's κ, which the study should see.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
) -> None:
    """Say how many trials a study of error consistency needs."""
    from synthesight.analysis.power import power as simulate
    from synthesight.analysis.power import trials_needed
    from synthesight.cli_output import print_power

    if len(accuracy) != 2:
        raise SynthesightError("--accuracy: give two accuracies, one for each observer.")
    table = simulate(accuracy[0], accuracy[1], kappa, difference=difference, seed=seed)
    print_power(table, kappa)
    if difference is not None:
        needed = trials_needed(table)
        print(
            f"To see a difference of {difference}: {needed} trials for a power of 80 %."
            if needed
            else f"To see a difference of {difference}, {table['trials'][-1]} trials are too few."
        )


@app.command()
def models(
    pattern: Annotated[str, typer.Argument(help='Name with wildcards, such as "stable-*".')] = "*",
) -> None:
    """List the known models."""
    from synthesight.cli_output import print_models

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


@datasets.command("list")
def data_list(data: Data = None) -> None:
    """List the 17 published datasets, and where those that are here are."""
    from synthesight.cli_output import print_datasets

    print_datasets(data)


@datasets.command("get")
def data_get(
    names: Annotated[list[str], typer.Argument(help="Datasets by name, or `all`.")],
    data: Data = None,
    sha256: Annotated[str | None, typer.Option(help="Expected hash of the archive.")] = None,
) -> None:
    """Download published datasets that are not here yet."""
    from synthesight.stimuli.datasets import DATASETS, download_root, local_folder
    from synthesight.stimuli.download import fetch

    wanted = list(DATASETS) if names == ["all"] else names
    if unknown := [name for name in wanted if name not in DATASETS]:
        raise SynthesightError(
            f"There is no dataset {unknown[0]}: choose among {', '.join(DATASETS)}, or all."
        )
    if sha256 is not None and len(wanted) > 1:
        raise SynthesightError("--sha256 is of one archive: name one dataset.")
    for name in wanted:
        place = local_folder(name, data)
        print(f"{name} is in {place or fetch(name, download_root(data), sha256=sha256)}")


@datasets.command("check")
def data_check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets by name; default: those that are here.")
    ] = None,
    data: Data = None,
) -> None:
    """Read every image of datasets, and count them by condition and category."""
    from synthesight.cli_output import Progressing, print_check
    from synthesight.stimuli.checking import check_images
    from synthesight.stimuli.datasets import DATASETS, local_folder
    from synthesight.stimuli.folders import find_stimuli

    here = names or [name for name in DATASETS if local_folder(name, data)]
    if not here:
        raise SynthesightError("No dataset is here to check: `synthesight data get` fetches some.")
    failures: list[str] = []
    count = 0
    for name in here:
        stimuli = find_stimuli(name, data=data)
        with Progressing(name, len(stimuli), quiet=False) as progress:
            broken = check_images(stimuli, progress.advance)
        print_check(name, stimuli, broken)
        failures += broken
        count += len(stimuli)
    _end(failures, count)


@datasets.command("make")
def data_make(
    photographs: Annotated[
        str, typer.Option("--from", help="Folder <category>/<image>, Parquet or CSV file.")
    ],
    manipulation: Annotated[
        str, typer.Option(help="contrast, low-pass, eidolonI, …: a parametric dataset's name.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new dataset.")],
    level: Annotated[
        list[str] | None,
        typer.Option(help="Condition, such as c10; repeatable. Default: all published ones."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="A balanced sample of so many images.")] = None,
    seed: Annotated[int, typer.Option(help="Of noise, phases and displacements.")] = 0,
) -> None:
    """Make a parametric dataset, such as `contrast`, from any photographs."""
    from synthesight.cli_output import Progressing
    from synthesight.stimuli.folders import find_stimuli, sample
    from synthesight.stimuli.making import make_dataset

    stimuli = find_stimuli(photographs)
    if limit is not None:
        stimuli = sample(stimuli, limit=limit, seed=seed)
    with Progressing("Making images", len(stimuli), quiet=False) as progress:
        failures = make_dataset(
            stimuli, manipulation, out, conditions=level or (), seed=seed, report=progress.advance
        )
    print(f"{len(stimuli) - len(failures)} images, manipulated, are in {out}.")
    _end(failures, len(stimuli))


@datasets.command("draw")
def data_draw(
    out: Annotated[Path, typer.Option(help="Folder of the new dataset.")],
    classes: Annotated[
        str | None, typer.Option(help="Categories of both cues: cat,dog,…; default: all 16.")
    ] = None,
    per_pair: Annotated[int, typer.Option(help="Images of each shape in each texture.")] = 1,
    seed: Annotated[int, typer.Option(help="Of sizes, turns and the textures' grain.")] = 0,
) -> None:
    """Draw a cue-conflict dataset, offline: our shapes filled with our textures."""
    from synthesight.cli_output import Progressing
    from synthesight.stimuli.categories import SIXTEEN
    from synthesight.stimuli.drawn import drawn_cue_conflict, save

    cues = _split(classes) or list(SIXTEEN)
    if per_pair < 1:
        raise SynthesightError(f"--per-pair {per_pair} leaves nothing to draw: give 1 or more.")
    if len(set(cues)) < max(2, len(cues)):
        raise SynthesightError("--classes: give two or more different categories.")
    count = 0
    with Progressing("Drawing", len(cues), quiet=False) as progress:
        for shape in cues:
            drawn = drawn_cue_conflict(shapes=[shape], textures=cues, per_pair=per_pair, seed=seed)
            save(drawn, out)
            count += len(drawn)
            progress.advance()
    print(f"{count} cue-conflict images, drawn, are in {out}.")


@training.command("generative")
def train_generative(
    data: Annotated[Path, typer.Option(help="Parquet file with columns image and label.")],
    out: Annotated[Path, typer.Option(help="Folder of the training; the same command resumes it.")],
    steps: Annotated[int, typer.Option(help="Length of the training.")] = 6000,
    batch: Annotated[int, typer.Option("--batch-size", help="Images a step.")] = 64,
    width: Annotated[int, typer.Option(help="Of the transformer, a multiple of 64.")] = 128,
    seed: Seed = 0,
    device: Device = None,
) -> None:
    """Train a text-conditional flow model such as natural-32, and fit its time weighting."""
    from synthesight.cli_output import Progressing
    from synthesight.training import generative, weighting

    if steps < 1 or batch < 1 or width < 64 or width % 64:
        raise SynthesightError(
            "--steps and --batch-size must be 1 or more, and --width a multiple of 64."
        )
    options = generative.GenerativeOptions(
        steps=steps, batch_size=batch, width=width, heads=width // 64, seed=seed
    )
    images, folder, place = _train(generative, data, out, options, steps, device)
    total = weighting.evaluations(images)
    with Progressing("Fitting its time weighting", total, quiet=False) as progress:
        right = weighting.measure(
            images, folder, device=place, report=lambda done: progress.at(done, "")
        )
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in right.items())
    print(f"Right on training images that its own weighting was not fitted to: {shares}.")
    print(f"The model is in {folder}.")


@training.command("discriminative")
def train_discriminative(
    data: Annotated[Path, typer.Option(help="Parquet file with columns image and label.")],
    out: Annotated[Path, typer.Option(help="Folder of the training; the same command resumes it.")],
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 9,
    seed: Seed = 0,
    device: Device = None,
) -> None:
    """Train a network such as natural-32-cnn."""
    from synthesight.training import discriminative

    options = discriminative.DiscriminativeOptions(epochs=epochs, seed=seed)
    _, folder, _ = _train(discriminative, data, out, options, None, device)
    print(f"The model is in {folder}.")


def _train(
    recipe: Any, data: Path, out: Path, options: Any, steps: int | None, device: str | None
) -> tuple[Any, Path, Any]:
    """Train with progress: the images, the folder of the model, and the device."""
    import torch

    from synthesight.cli_output import Progressing
    from synthesight.observers.generative.loading import check_device
    from synthesight.training.images import LabelledImages

    place = check_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    images = LabelledImages.from_parquet(data, progress=True)
    total = steps if steps is not None else recipe.steps_of(images, options)
    try:
        with Progressing("Training", total, quiet=False) as progress:
            folder = recipe.train(
                images,
                out,
                options,
                device=place,
                report=lambda step, loss: progress.at(step, f"loss {loss:.4f}"),
            )
    except KeyboardInterrupt:
        print(f"Stopped; the same command goes on from the last checkpoint in {out}.")
        raise typer.Exit(130) from None
    return images, folder, place


def _load(
    model: str,
    classes: list[str] | None,
    prompt: list[str] | None,
    rule: str,
    delta: float,
    max_draws: int,
    weighting: str | None,
    labels: Path | None,
    combine: str,
    seed: int,
    device: str | None,
    dtype: str | None,
    batch_size: int | None,
) -> Any:
    """The observer that the options ask for; what needs no model is checked before it is opened."""
    from synthesight import zoo
    from synthesight.inference.rules import RULES
    from synthesight.observers.generative.prompts import check_classes, check_templates

    zoo.resolve(model)
    if rule not in RULES:
        raise SynthesightError(f"There is no --rule {rule}: choose one of {', '.join(RULES)}.")
    if classes is not None:
        check_classes(classes)
    given = {"delta": delta} if rule == "sequential" else {}
    options: dict[str, Any] = {
        "rule": RULES[rule](max_draws=max_draws, **given),
        "seed": seed,
        "batch_size": batch_size,
        "combine": combine,
    }
    if prompt:
        options["templates"] = check_templates(prompt)
    if weighting is not None:
        options["weighting"] = weighting
    if labels is not None:
        options["labels"] = _read_labels(labels)
    from synthesight.observers.loading import load

    return load(model, classes=classes, device=device, dtype=dtype, **options)


def _read_labels(path: Path) -> dict[str, list[str]]:
    import json

    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
        return {name: [str(label) for label in own] for name, own in labels.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SynthesightError(
            f'--labels {path} cannot be read: give a JSON file such as {{"cat": [281, 282]}}.'
        ) from error


def _split(classes: str | None) -> list[str] | None:
    return None if classes is None else classes.split(",")


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise SynthesightError(f"--shard {text} is no part: write i/n, such as 1/3, 2/3 and 3/3.")
    return int(part) - 1, int(parts)


def _end(failures: list[str], count: int) -> None:
    """List what could not be read; the exit code says that there was something."""
    if not failures:
        return
    if len(failures) < count or count > 1:
        print(f"{len(failures)} of {count} images could not be read:", file=sys.stderr)
    for failure in failures:
        print(f"synthesight: {failure}", file=sys.stderr)
    raise typer.Exit(2)


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    try:
        app()
    except SynthesightError as error:
        print(f"synthesight: {error}", file=sys.stderr)
        sys.exit(2)
