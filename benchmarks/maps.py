"""What maps of evidence are worth: do they point at the object, and does the evidence go with it?

    python benchmarks/maps.py --stimuli DATA/cifar10/test.parquet --limit 60

Masks: on drawn cue-conflict images, where the object is known: the share of the evidence for the
shape's class, and for the texture's, that lies on the object, beside the object's share of the
image. Curves: the pixels that a map ranks first are taken out of photographs (deletion: replaced by
a blurred copy) or put into the blurred copy (insertion); what is left of the evidence is averaged
over the share of pixels changed. A good ranking has a small area when deleting and a large one when
inserting. Rankings: the map, a random one, and natural-32-cnn's gradient times what is changed.
Judges: the generative model itself, and natural-32-cnn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import torch
import typer
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter

import synthesight
from synthesight.observers import EvidenceMap, Observer
from synthesight.stimuli.categories import SHARED_SEVEN
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.make.drawn import drawn_cue_conflict, drawn_mask
from synthesight.stimuli.names import cues_of
from synthesight.stimuli.stimulus import Stimulus

SHARES = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])  # of the pixels changed
BLUR = 5.0  # pixels, of the copy that stands for an image without content
RESAMPLES = 2000
CHUNK = 10


def main(
    stimuli: Annotated[str, typer.Option(help="Photographs with categories.")],
    model: str = "natural-32",
    rival: Annotated[str, typer.Option(help="Network whose gradient is compared.")] = (
        "natural-32-cnn"
    ),
    limit: Annotated[int, typer.Option(help="Photographs.")] = 60,
    per_pair: Annotated[int, typer.Option(help="Drawn images of each two classes.")] = 1,
    draws: Annotated[int, typer.Option(help="Of each class, for a map.")] = 64,
    judged: Annotated[int, typer.Option(help="Draws of each class, for a point of a curve.")] = 32,
    seconds: Annotated[float, typer.Option(help="Stop after so long, with what there is.")] = 1e9,
    out: Annotated[Path | None, typer.Option(help="Parquet files of what was measured.")] = None,
) -> None:
    started = time.monotonic()
    observer: Any = synthesight.load(model, rule="exhaustive", max_draws=draws)
    device = observer.device
    judge = synthesight.load(model, rule="exhaustive", max_draws=judged, device=device)
    network = synthesight.load(rival, device=device)
    masks: list[dict[str, Any]] = []
    size = observer.model.resolution
    drawn = drawn_cue_conflict(
        shapes=SHARED_SEVEN, textures=SHARED_SEVEN, per_pair=per_pair, size=size
    )
    for part in chunks(drawn):
        if time.monotonic() - started > 0.4 * seconds:
            break
        masks += [row for stimulus in part for row in on_the_object(observer, stimulus)]
        keep(masks, out, "maps-masks.parquet")
    curves: list[dict[str, Any]] = []
    for part in chunks(sample(find_stimuli(stimuli), limit=limit)):
        if time.monotonic() - started > seconds:
            break
        curves += changed(observer, judge, network, part)
        keep(curves, out, "maps-curves.parquet")
    show(masks, curves)
    print(f"{model}, {draws} draws a map, {device}, {time.monotonic() - started:.0f} s")


def chunks(stimuli: Sequence[Stimulus]) -> Iterator[Sequence[Stimulus]]:
    """In parts, each with some of everything."""
    for start in range(0, len(stimuli), CHUNK):
        yield stimuli[start : start + CHUNK]


def keep(rows: list[dict[str, Any]], out: Path | None, name: str) -> None:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows).write_parquet(out / name)


def on_the_object(observer: Any, stimulus: Stimulus) -> Iterator[dict[str, Any]]:
    """Shares of the evidence on a drawn object, for shape and for texture."""
    name = Path(stimulus.id).name
    cues = cues_of(name)
    assert cues is not None
    shape, texture = cues
    number = int(name.removeprefix(shape).split("-")[0])
    size = observer.model.resolution
    mask = np.asarray(drawn_mask(shape, number, size=size)) / 255
    found = observer.classify([stimulus], [shape, texture])
    (each,) = found.maps(shape, texture)
    for scale, values in (("places", each.upsampled()), ("regions", each.regions())):
        for cue, sign in (("shape", 1), ("texture", -1)):
            speaking = np.maximum(sign * values, 0)
            yield {
                "shape": shape,
                "texture": texture,
                "image": stimulus.id,
                "map": scale,
                "cue": cue,
                "on the object": (speaking * mask).sum() / max(speaking.sum(), 1e-12),
                "object": mask.mean(),
                "evidence": each.evidence,
            }


def changed(
    observer: Observer, judge: Observer, network: Any, part: Sequence[Stimulus]
) -> list[dict[str, Any]]:
    """The evidence that is left as pixels are taken out or put in, of each image and ranking."""
    rows: list[dict[str, Any]] = []
    found = observer.classify(list(part))
    for each in found.maps():
        image = each.image.astype(np.float64)
        blurred = gaussian_filter(image, (BLUR, BLUR, 0))
        rankings = {
            "map": each.upsampled(),
            "regions": each.regions(),
            "gradient": gradient(network, each, image - blurred),
            "random": np.random.default_rng(len(rows)).random(image.shape[:2]),
        }
        pictures, facts = [], []
        for name, values in rankings.items():
            order = (-values).ravel().argsort().argsort().reshape(values.shape)
            for share in SHARES:
                first = (order < round(share * order.size))[:, :, None]
                for how, picture in (
                    ("deletion", np.where(first, blurred, image)),
                    ("insertion", np.where(first, image, blurred)),
                ):
                    pictures.append(picture.round().astype(np.uint8))
                    facts.append({"ranking": name, "curve": how, "share": float(share)})
        for who, other in (("itself", judge), ("network", network)):
            evidence = other.classify(np.stack(pictures), [each.of, each.against]).evidence
            left = evidence[:, 0] - evidence[:, 1]
            rows += [
                fact | {"image": each.stimulus.id, "judge": who, "evidence": float(value)}
                for fact, value in zip(facts, left, strict=True)
            ]
    return rows


def gradient(network: Any, each: EvidenceMap, change: np.ndarray) -> np.ndarray:
    """To the first order, what the network's evidence loses where a pixel is replaced."""
    pixels = torch.from_numpy(each.image.copy()).permute(2, 0, 1)[None].float()
    pixels = pixels.to(network.device).requires_grad_()
    scores = network.scores_of([each.of, each.against])(pixels)
    (slope,) = torch.autograd.grad(scores[0, 0] - scores[0, 1], pixels)
    return (slope[0].permute(1, 2, 0).cpu().numpy() * change).sum(axis=2)


def show(masks: list[dict[str, Any]], curves: list[dict[str, Any]]) -> None:
    """Print means over images, with bootstrap intervals."""
    if masks:
        Console().print(objects_table(masks))
    if curves:
        Console().print(curves_table(curves))


def objects_table(masks: list[dict[str, Any]]) -> Table:
    """Shares of the evidence that are on the object."""
    table = Table(title="Evidence on drawn objects")
    for column in ("map", "for the class of the", "on the object", "object's share", "ratio", "n"):
        table.add_column(column)
    for (scale, cue), own in pl.DataFrame(masks).group_by("map", "cue", maintain_order=True):
        on = own["on the object"].to_numpy()
        area = own["object"].to_numpy()
        table.add_row(
            str(scale),
            str(cue),
            interval(on),
            f"{area.mean():.2f}",
            interval(on / area),
            str(len(own)),
        )
    return table


def curves_table(curves: list[dict[str, Any]]) -> Table:
    """Areas under the curves, and how often each is better than a random ranking's."""
    frame = pl.DataFrame(curves)
    key = ["image", "judge", "curve", "ranking"]
    ends = frame.filter(pl.col("ranking") == "random").group_by("image", "judge").agg(
        whole=pl.col("evidence").filter(curve="deletion", share=0.0).first(),
        blank=pl.col("evidence").filter(curve="deletion", share=1.0).first(),
    )  # fmt: skip
    # Trapezia over the share of pixels; in units of what the whole image has above the blurred one.
    areas = (
        frame.sort(*key, "share")
        .group_by(key, maintain_order=True)
        .agg(
            area=(
                (pl.col("evidence") + pl.col("evidence").shift(1))
                * (pl.col("share") - pl.col("share").shift(1))
                / 2
            ).sum()
        )
        .join(ends, on=["image", "judge"])
        # A class that the judge does not see in the whole image has no evidence to lose.
        .filter(pl.col("whole") - pl.col("blank") > 0.1)
        .with_columns(area=(pl.col("area") - pl.col("blank")) / (pl.col("whole") - pl.col("blank")))
    )
    table = Table(title="Areas under the curves: deletion low, insertion high")
    for column in ("judge", "curve", "ranking", "area, median", "better than random", "n"):
        table.add_column(column)
    wide = areas.pivot("ranking", index=["image", "judge", "curve"], values="area")
    for (who, how), own in wide.group_by("judge", "curve", maintain_order=True):
        for name in ("map", "regions", "gradient", "random"):
            better = own[name] > own["random"] if how == "insertion" else own[name] < own["random"]
            won = "" if name == "random" else f"{100 * better.to_numpy().mean():.0f} %"
            middle = interval(own[name].to_numpy(), np.median)
            table.add_row(str(who), str(how), name, middle, won, str(len(own)))
    return table


def interval(values: np.ndarray, of: Any = np.mean) -> str:
    """A mean or median with its 95 % bootstrap interval over images."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(of(values[picks], axis=1), [0.025, 0.975])
    return f"{of(values):.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    typer.run(main)
