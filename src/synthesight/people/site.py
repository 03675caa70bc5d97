"""Build the web site of an experiment: images, masks and icons, pages, and jsPsych."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markdown_it import MarkdownIt

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.people.libraries import bring, libraries
from synthesight.people.pictures import write_icon, write_images, write_masks
from synthesight.people.study import (
    SETTINGS,
    Study,
    classes_of,
    columns_of,
    read_study,
    template,
)
from synthesight.stimuli.categories import SIXTEEN, canonical, words
from synthesight.stimuli.find import sample
from synthesight.stimuli.make.drawn import drawn_objects
from synthesight.stimuli.names import trials_file
from synthesight.stimuli.stimulus import Stimulus, kept_factors
from synthesight.trials.exchange import COLUMNS
from synthesight.trials.schema import SCHEMA

DESIGN = "study.json"
DATA = "data"  # trials in the published layout, which `report` reads
IMAGE_MS = "image_ms"  # measured
SESSIONS = "sessions"  # what else was measured: screens, practice, attention checks
SCRIPTS = (
    "order.js", "participant.js", "store.js", "flash.js", "screens.js", "experiment.js",
)  # fmt: skip
STYLE = "experiment.css"


def build_site(
    stimuli: Sequence[Stimulus],
    out: str | Path,
    *,
    trials: int | None = None,
    seed: int = 0,
    offline: bool = False,
    report: Callable[[], None] = lambda: None,
) -> list[str]:
    """Write the web site of an experiment that shows stimuli to people.

    Images are the stimuli as models see them before they are scaled: decoded to 8-bit sRGB, the
    centre square cut out, at most 512 pixels a side, as PNG. Their names tell nothing. Texts and
    times are those of ``study.toml`` in the folder, which is written at first, to be edited.

    Parameters
    ----------
    stimuli
        What is shown; each needs a category.
    out
        Folder of the site. One that is there is brought up to date; the trials in it are kept.
    trials
        Number that each participant sees, of balanced categories and conditions, such that all
        participants together see all stimuli equally often. None: all.
    seed
        Seed of all orders and names.
    offline
        Bring jsPsych by npm; otherwise the pages link it from a CDN.
    report
        Called after each image.

    Returns
    -------
    A sentence for each image that could not be read, and is left out.

    Raises
    ------
    SynthesightError
        If a stimulus has no category, there are too many categories or trials, no image can be
        read, the folder holds the trials of another design, or it cannot be written to.
    """
    out = Path(out)
    with files.writing(out, "`out`"):
        out.mkdir(parents=True, exist_ok=True)
        if not (out / SETTINGS).exists():
            files.write(out / SETTINGS, template())
        study = read_study(out / SETTINGS)
        classes = classes_of(stimuli)
        practice, shown = _practice(stimuli, classes, study.design.practice, seed)
        _check_trials(trials, len(shown))
        entries, failures, level = write_images(shown, classes, out, seed, report)
        if not entries:
            raise SynthesightError("No image can be read: " + failures[0])
        _check_trials(trials, len(entries))
        factors = sorted(kept_factors(shown, {*SCHEMA, *COLUMNS, IMAGE_MS}))
        rehearsed, broken, _ = write_images(practice, classes, out, seed, lambda: None)
        del rehearsed[study.design.practice :]
        design: dict[str, Any] = {
            "classes": [{"name": name, "label": words(name)} for name in classes],
            "columns": columns_of(classes),
            "datasets": _datasets(entries),
            "factors": factors,
            "stimuli": entries,
            "practice": rehearsed,
            "masks": write_masks(out, seed),
            "round": len({entry["category"] for entry in entries}),
            "trials": trials or len(entries),
            "seed": seed,
            "timing": asdict(study.timing),
            "screen": asdict(study.screen) | {"background": _grey(study, level)},
            "design": asdict(study.design),
        }
        design["id"] = hashlib.sha256(json.dumps(design, sort_keys=True).encode()).hexdigest()[:16]
        _check_same(out, design["id"])
        for each, name in zip(design["classes"], classes, strict=True):
            each["icon"] = write_icon(out, name)
        _remove_others(out, design)
        _write_pages(out, study, design, offline)
    return failures + broken


def _practice(
    stimuli: Sequence[Stimulus], classes: Sequence[str], count: int, seed: int
) -> tuple[list[Stimulus], list[Stimulus]]:
    """Return what is practised with, and what is left to show.

    Our own drawings where the classes are among the 16; else some stimuli, which are then not
    shown again, since practice tells what they are.
    """
    named = [canonical(name) for name in classes]
    if set(named) <= set(SIXTEEN):
        chosen = np.random.default_rng(seed).permutation(named)[:count].tolist()
        times = -(-count // len(named))
        return drawn_objects(shapes=chosen, per_category=times, seed=seed), list(stimuli)
    held = sample(stimuli, limit=min(count, len(stimuli) // 2), seed=seed) if count else []
    ids = {stimulus.id for stimulus in held}
    return held, [stimulus for stimulus in stimuli if stimulus.id not in ids]


def _check_trials(trials: int | None, count: int) -> None:
    if trials is not None and not 1 <= trials <= count:
        raise SynthesightError(f"`trials={trials}` of {count} images: give 1 to {count}.")


def _datasets(entries: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Number the datasets in the entries; return the names of each and of its files."""
    names = sorted({entry["dataset"] for entry in entries})
    for entry in entries:
        entry["dataset"] = names.index(entry["dataset"])
    return [{"name": name, "place": trials_file(name, "x", 1).split("/")[0]} for name in names]


def _grey(study: Study, level: float) -> int:
    return round(level) if study.screen.background < 0 else study.screen.background


def _check_same(out: Path, identity: str) -> None:
    """Refuse to change the design under trials that were made with it."""
    if not any((out / DATA).rglob("*.csv")):
        return
    try:
        before = json.loads((out / DESIGN).read_text(encoding="utf-8"))["id"]
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    if before != identity:
        raise SynthesightError(
            f"{out} has the trials of people who saw other stimuli, times or classes: give another "
            "`out`, or move its folder data away."
        )


def _remove_others(out: Path, design: dict[str, Any]) -> None:
    """Remove images that an earlier build wrote and this one does not show."""
    shown = {entry["image"] for entry in (*design["stimuli"], *design["practice"])}
    for path in (out / "images").glob("*.png"):
        if f"images/{path.name}" not in shown:
            path.unlink()


def _write_pages(out: Path, study: Study, design: dict[str, Any], offline: bool) -> None:
    page = resources("synthesight.people") / "page"
    for name in (*SCRIPTS, STYLE):
        files.write(out / name, (page / name).read_bytes())
    shutil.rmtree(out / "lib", ignore_errors=True)
    if offline:
        bring(out / "lib")
    # Without HTML of its own: what a text says is text.
    markdown = MarkdownIt("commonmark", {"html": False})
    seconds = f"{study.timing.response / 1000:g}"
    texts = {
        name: markdown.render(
            getattr(study, name).replace("{contact}", study.contact).replace("{seconds}", seconds)
        )
        for name in ("consent", "instructions", "debrief")
    }
    design |= {"title": study.title, "texts": texts, "completion_url": study.completion_url}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthesight.people", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("index.html").render(
        title=study.title,
        design=design,
        libraries=libraries(),
        offline=offline,
        scripts=SCRIPTS,
        style=STYLE,
    )
    files.write(out / DESIGN, json.dumps(design))
    files.write(out / "index.html", html)
