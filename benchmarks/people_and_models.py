"""The bundled models and people on the same images: edge, silhouette and cue-conflict stimuli.

    SYNTHESIGHT_DATA=DATA python benchmarks/people_and_models.py --out runs/seven

Only images whose category (in cue conflict, both cues) is among the seven that CIFAR-10 shares
with the 16. The models choose among these seven; people chose among all 16.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

import synthesight
from synthesight.analysis import accuracy, shape_bias
from synthesight.evaluation import answerable
from synthesight.stimuli.categories import SHARED_SEVEN
from synthesight.stimuli.find import find_stimuli
from synthesight.trials.people import load_human_trials, load_model_trials

DATASETS = ("cue-conflict", "edge", "silhouette")
MODELS = ("natural-32", "natural-32-cnn")


def main(out: Annotated[Path, typer.Option(help="Folder for the runs.")]) -> None:
    data = Path(os.environ.get("SYNTHESIGHT_DATA", "../shared/data"))
    stimuli = [s for name in DATASETS for s in find_stimuli(name, data=data)]
    stimuli = answerable(stimuli, SHARED_SEVEN)
    tables = [
        synthesight.evaluate(model, stimuli, out / model, classes=SHARED_SEVEN).trials()
        for model in MODELS
    ]
    ours = pl.concat(tables)
    shown = ours.select("dataset", "image").unique()
    people = load_human_trials(data, DATASETS).join(shown, on=["dataset", "image"], how="semi")
    published = load_model_trials(data, DATASETS).join(shown, on=["dataset", "image"], how="semi")
    each = pl.concat([ours, published, people])
    pooled = people.with_columns(observer=pl.lit("people, pooled"))
    everyone = pl.concat([ours, published, pooled])

    table = Table(title="Accuracy, with 95 % intervals over stimuli")
    table.add_column("observer")
    for dataset in DATASETS:
        table.add_column(f"{dataset} ({shown.filter(dataset=dataset).height} images)")
    measured = {
        (row["observer"], row["dataset"]): row for row in accuracy(everyone).iter_rows(named=True)
    }
    for observer in everyone["observer"].unique(maintain_order=True):
        found = [measured.get((observer, dataset)) for dataset in DATASETS]
        table.add_row(observer, *("-" if row is None else _percent(row) for row in found))
    Console(width=120).print(table)

    table = Table(title="Shape bias on cue-conflict images, with 95 % intervals over stimuli")
    for column in ("observer", "shape bias", "trials that named a cue", "images"):
        table.add_column(column)
    for row in shape_bias(everyone).iter_rows(named=True):
        table.add_row(row["observer"], _percent(row), str(row["n"]), str(row["stimuli"]))
    Console(width=120).print(table)
    humans = shape_bias(each.filter(pl.col("kind") == "human"))["estimate"].to_numpy()
    print(f"Mean of the {len(humans)} people's own shape biases: {100 * humans.mean():.1f} %")
    cost = ours.group_by("observer", maintain_order=True).agg(pl.col("evaluations").mean())
    for observer, evaluations in cost.iter_rows():
        print(f"{observer}: {evaluations:.1f} network evaluations an image")


def _percent(row: dict[str, float]) -> str:
    return f"{100 * row['estimate']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


if __name__ == "__main__":
    typer.run(main)
