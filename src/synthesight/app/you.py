"""You as an observer: 20 flashed images, and your point beside the published people."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import polars as pl
from markupsafe import Markup

from synthesight.analysis import accuracy, shape_bias
from synthesight.app.html import figure, mistake, render
from synthesight.errors import SynthesightError
from synthesight.people.pictures import write_icon, write_images, write_masks
from synthesight.people.study import PUBLISHED_LAYOUT, Timing, classes_of, columns_of
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.datasets.local import local_folder
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.make.drawn import DATASET, drawn_cue_conflict
from synthesight.stimuli.names import Spelling
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.obtain import published_people
from synthesight.trials.people import load_human_trials
from synthesight.trials.schema import conform

if TYPE_CHECKING:
    from starlette.applications import Starlette

TRIALS = 20
KEPT = 32  # designs of people who have begun
ME = "you"
PAGES = (("synthesight.app", "page"), ("synthesight.people", "page"))  # which flashes images


class You:
    """Draw trials, and judge the answers.

    Parameters
    ----------
    folder
        Where images are written.
    data
        Folder of the datasets and of people's trials; None for SYNTHESIGHT_DATA, else the cache.
    """

    def __init__(self, folder: Path, data: str | Path | None = None) -> None:
        self.folder, self.data = folder, data
        self._designs: OrderedDict[str, list[Stimulus]] = OrderedDict()

    @property
    def sets(self) -> list[str]:
        """The published sets that are here, which people saw as well; then the drawn one."""
        here = [name for name in published_people() if local_folder(name, self.data)]
        return [*sorted(here), DATASET]

    def design(self, name: str) -> dict[str, Any]:
        """Write the images of 20 trials, and return what the page needs to show them.

        Raises
        ------
        SynthesightError
            If there is no such set, or its images cannot be read.
        """
        if name not in self.sets:
            raise SynthesightError(f"There is no set {name!r} here: choose another.")
        seed = secrets.randbelow(2**32)
        if name == DATASET:
            chosen, classes = _drawn(seed), list(PUBLISHED_LAYOUT)
        else:
            every = find_stimuli(name, data=self.data)
            chosen, classes = sample(every, limit=TRIALS, seed=seed), classes_of(every)
        called = {each.id.rsplit("/", 1)[-1]: each for each in chosen}
        self.folder.mkdir(exist_ok=True)
        entries, failures, grey = write_images(
            list(called.values()), classes, self.folder, seed, lambda: None
        )
        if failures:
            raise SynthesightError(failures[0])
        shown = [called[entry["name"]] for entry in entries]
        order = secrets.SystemRandom().sample(range(len(shown)), len(shown))
        key = secrets.token_hex(8)
        self._designs[key] = [shown[n] for n in order]
        while len(self._designs) > KEPT:
            self._designs.popitem(last=False)
        return {
            "key": key,
            "images": [entries[n]["image"] for n in order],
            "masks": write_masks(self.folder, 0),
            "grey": round(grey),
            "classes": [
                {"name": each, "label": each, "icon": write_icon(self.folder, each)}
                for each in classes
            ],
            "columns": columns_of(classes),
            # The last part has no limit: here, nobody has learnt where the 16 keys are.
            "timing": vars(Timing(response=0)),
        }

    def trials(self, key: str, answers: Sequence[str | None]) -> pl.DataFrame:
        """Return the trial table of somebody's answers.

        Raises
        ------
        SynthesightError
            If these are no trials that were drawn here.
        """
        shown = self._designs.get(key)
        if shown is None or len(answers) != len(shown):
            raise SynthesightError("These trials are not known here: begin again.")
        names = [each.id.rsplit("/", 1)[-1] for each in shown]
        images = [(s.dataset, n, s.category) for s, n in zip(shown, names, strict=True)]
        spelling = Spelling(images)
        return conform(
            pl.DataFrame(
                {
                    "observer": ME,
                    "kind": "participant",
                    "dataset": [each.dataset for each in shown],
                    "condition": [each.condition for each in shown],
                    "stimulus": [each.id for each in shown],
                    "category": [each.category for each in shown],
                    "texture": [spelling.texture(*image) for image in images],
                    "response": pl.Series(answers, dtype=pl.String),
                }
            )
        )

    @cached_property
    def people(self) -> dict[str, pl.DataFrame]:
        """Accuracy and shape bias of each of the 90 people, by observer and dataset."""
        trials = load_human_trials(self.data)
        return {
            "accuracy": accuracy(trials, resamples=0),
            "shape bias": shape_bias(trials.filter(dataset="cue-conflict"), resamples=0),
        }

    def result(self, key: str, answers: Sequence[str | None]) -> str:
        """Return how somebody did, beside the people who are here, as HTML.

        Raises
        ------
        SynthesightError
            As :meth:`trials`.
        """
        trials = self.trials(key, answers)
        mine = accuracy(trials)
        (dataset,) = trials["dataset"].unique()
        conflict = trials["texture"].is_not_null().any()
        bias = shape_bias(trials).row(0, named=True) if conflict else None
        try:
            people, missing = self.people, None
        except SynthesightError as error:
            people, missing = None, Markup(mistake(error))
        own = mine.row(0, named=True)
        near = None
        if people is not None:
            measure = "shape bias" if conflict else "accuracy"
            seen = people[measure].filter(dataset="cue-conflict" if conflict else dataset)
            near = {"count": len(seen), "mean": seen["estimate"].mean(),
                    "low": seen["estimate"].min(), "high": seen["estimate"].max()}  # fmt: skip
        count = len(trials)
        chart = figure(
            people_chart(mine, None if people is None else people["accuracy"]),
            f"Share of correct answers of each person in each dataset, and yours in {dataset}: "
            f"{own['estimate']:.0%} of {count}.",
        )
        return render(
            "you-result.html",
            own=own, bias=bias, near=near, count=count, chart=chart, missing=missing,
            drawn=dataset == DATASET,
        )  # fmt: skip


def _drawn(seed: int) -> list[Stimulus]:
    """Draw 20 of the cue conflicts, of each shape as many as can be."""
    order, count = np.random.default_rng(seed).permutation(SIXTEEN).tolist(), len(SIXTEEN)
    pairs = [(n % count, (n + n // count + 1) % count) for n in range(TRIALS)]
    return [
        drawn
        for shape, surface in pairs
        for drawn in drawn_cue_conflict(shapes=[order[shape]], textures=[order[surface]], seed=seed)
    ]


def people_chart(mine: pl.DataFrame, people: pl.DataFrame | None) -> alt.LayerChart:
    """Draw each person's accuracy by dataset, and one's own with its interval.

    Parameters
    ----------
    mine
        One row: dataset, estimate, low, high.
    people
        Columns observer, dataset and estimate; None where they are not here.
    """
    rows = [] if people is None else people.select("dataset", "observer", "estimate").to_dicts()
    own = mine.select("dataset", "estimate", "low", "high").to_dicts()
    order = [own[0]["dataset"], *sorted({row["dataset"] for row in rows} - {own[0]["dataset"]})]
    x = alt.X("estimate:Q", title="share correct", scale=alt.Scale(domain=[0, 1]),
              axis=alt.Axis(format=".0%"))  # fmt: skip
    y = alt.Y("dataset:N", sort=order, title=None)
    them = alt.Chart(alt.Data(values=rows)).mark_point(color="#767676", opacity=0.8)
    you = alt.Chart(alt.Data(values=own)).encode(y=y)
    range_ = you.mark_rule(color="#D55E00", strokeWidth=2).encode(x="low:Q", x2="high:Q")
    point = you.mark_point(color="#D55E00", filled=True, size=90, opacity=1).encode(x=x)
    text = f"orange: you, with the 95 % interval of {TRIALS} images; grey: a person each"
    return alt.layer(them.encode(x=x, y=y), range_, point).properties(
        width=340,
        height=18 * max(len(order), 2),
        title=alt.TitleParams("You beside people", subtitle=text, subtitleColor="#595959"),
    )


def pages(you: You) -> Starlette:
    """Return the pages of the trials as a small web application of their own."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    def index(_: Request) -> Response:
        return HTMLResponse(render("you.html", sets=you.sets, trials=TRIALS, drawn=DATASET))

    def design(request: Request) -> Response:
        try:
            return JSONResponse(you.design(request.query_params.get("set", DATASET)))
        except SynthesightError as error:
            return JSONResponse({"error": mistake(error)}, 400)

    async def answers(request: Request) -> Response:
        try:
            sent = await request.json()
            given = [None if each is None else str(each) for each in sent["answers"]]
            return HTMLResponse(you.result(str(sent["key"]), given))
        except SynthesightError as error:
            return HTMLResponse(mistake(error), 400)
        except (ValueError, KeyError, TypeError):
            return HTMLResponse("These are no answers.", 400)

    you.folder.mkdir(exist_ok=True)
    return Starlette(
        routes=[
            Route("/", index),
            Route("/design", design),
            Route("/answers", answers, methods=["POST"]),
            Mount("/", StaticFiles(directory=you.folder, packages=list(PAGES))),
        ]
    )
