"""The report: its files, its page in a real browser, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import polars as pl
import pytest

from builders import command, done, refused, trial_table
from synthesight.analysis import (
    benchmark,
    comparisons,
    error_consistency,
    get_metric,
    shape_bias,
    with_people,
)
from synthesight.cli.output import print_comparison
from synthesight.errors import SynthesightError
from synthesight.report.confusions import confusion_section
from synthesight.report.coverage import fewer_conditions, fewer_images, strangers
from synthesight.report.metrics import metric_section
from synthesight.report.page import write_page
from synthesight.report.report import write_report
from synthesight.report.section import Section
from synthesight.report.sections import (
    benchmark_section,
    sections,
    shape_bias_section,
    trials_section,
)
from synthesight.report.sources import gather
from synthesight.report.tables import shown_table, to_latex, to_markdown
from synthesight.stimuli.datasets import datasets
from synthesight.trials.exchange import read_csv, write_csv
from synthesight.trials.schema import conform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--virtual-time-budget=20000",
)  # fmt: skip
CUES = ("bear", "cat", "clock", "truck")


def trials_of(observer: str, kind: str, share: float, seed: int) -> pl.DataFrame:
    """Trials on cue conflict, edge and contrast; the shape is named with a probability."""
    rng = np.random.default_rng(seed)
    rows = []
    for shape in CUES:
        for texture in CUES:
            for n in (1, 2):
                response = shape if rng.random() < share else texture
                rows.append(
                    ("cue-conflict", "0", f"{shape}{n}-{texture}1.png", shape, texture, response)
                )
        for n in range(12):
            for dataset, condition in (("edge", "0"), ("contrast", "c30"), ("contrast", "c05")):
                response = shape if rng.random() < share else "oven"
                rows.append((dataset, condition, f"{shape}{n}.png", shape, None, response))
    *columns, responses = zip(*rows, strict=True)
    names = ("dataset", "condition", "image", "category", "texture")
    more = dict(zip(names, columns, strict=True)) | {"stimulus": columns[2]}
    table = trial_table(responses, observer, kind=kind, trial=range(1, len(rows) + 1), **more)
    return conform(table)


@pytest.fixture(scope="module")
def trials() -> pl.DataFrame:
    return pl.concat([
        trials_of("subject-01", "human", 0.9, 1),
        trials_of("subject-02", "human", 0.85, 2),
        trials_of("sees-<shape>", "generative", 0.8, 3),
        trials_of("sees_texture", "discriminative", 0.3, 4),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def folder(trials, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    write_report(trials, out, resamples=50)
    return out


def test_every_figure_and_table_is_there_in_every_format(folder):
    figures = {path.stem for path in (folder / "figures").iterdir()}
    assert figures == {
        "shape-bias", "accuracy-by-condition", "accuracy-bars", "error-consistency-cue-conflict",
        "error-consistency-edge", "error-consistency-contrast",
        "error-consistency-against-accuracy", "response-entropy", "response-entropy-bars",
        "confusion-cue-conflict", "confusion-edge", "confusion-contrast",
        "shape-match-bars", "texture-match-bars", "difference-from-people",
        "difference-from-people-by-condition", "benchmark-ranks",
    }  # fmt: skip
    for name in figures:
        sizes = [
            (folder / "figures" / f"{name}{s}").stat().st_size for s in (".svg", ".pdf", ".png")
        ]
        assert min(sizes) > 2000
    tables = {path.stem for path in (folder / "tables").iterdir()}
    assert {"shape-bias", "shape-bias-by-category", "benchmark-accuracy", "benchmark-likeness",
            "accuracy", "response-entropy", "confusion"} <= tables  # fmt: skip
    by_condition = pl.read_csv(folder / "tables" / "accuracy-by-condition.csv")
    of_people = by_condition.filter(observer="people").select("dataset", "condition").rows()
    assert of_people == [
        ("contrast", "c30"),
        ("contrast", "c05"),
        ("edge", "0"),
        ("cue-conflict", "0"),
    ]
    likeness = pl.read_csv(folder / "tables" / "benchmark-likeness.csv")
    likeness = likeness.filter(pl.col("source").is_null())
    assert likeness["observer"].to_list() == ["sees-<shape>", "sees_texture", "people"]
    assert likeness["error_consistency_low"].null_count() == 0
    # 48 of edge, 96 of contrast (neither condition is left out) and 32 of cue conflict.
    assert likeness["trials"].to_list() == [176, 176, 352]


def test_every_figure_is_valid_vega_lite(trials):
    # The report itself does not check its figures, to save time.
    rng = np.random.default_rng(0)
    evidence = np.stack([np.zeros(len(trials)), -rng.uniform(0, 3, len(trials))], axis=1)
    is_human = pl.col("kind") == "human"
    everyone = with_people(trials).with_columns(
        size=pl.int_range(pl.len()) % 2,
        rt=pl.when(is_human).then(pl.Series(rng.uniform(0.4, 1.4, len(trials)))),
        evidence=pl.when(~is_human).then(pl.Series(evidence.tolist())),
    )
    for name, make in sections().items():
        section = make(everyone, 20)
        assert (section is None) == (name == "dial")  # of which test_psychometric has one
        for figure in section.figures.values() if section else ():
            figure.to_dict(validate=True)


def test_confusion_matrices_of_a_crowd_are_left_to_the_table(trials):
    model = trials.filter(observer="sees_texture")
    crowd = [model.with_columns(observer=pl.lit(f"m{n:02}")) for n in range(14)]
    section = confusion_section(with_people(pl.concat([trials, *crowd])), 20)
    drawn = section.figures["confusion-edge"].to_dict()["data"]["values"]
    assert {row["observer"] for row in drawn} == {"people"}
    assert section.tables["confusion"]["observer"].n_unique() == 17
    assert "people's alone is drawn" in section.text


def test_shape_bias_of_people_resamples_images_not_trials(trials):
    # As published, the name of a stimulus holds who saw it; only its end is the image.
    own = trials.with_columns(stimulus=pl.format("0001_cue_{}_0_{}", "observer", "image"))
    people = (
        shape_bias_section(with_people(own), 200).tables["shape-bias"].filter(observer="people")
    )
    # 12 images of two different cues in two copies, shown to two people.
    assert people.select("n", "stimuli").row(0) == (48, 24)
    expected = shape_bias(own.filter(kind="human"), by=["kind"], resamples=200)
    assert people["estimate"][0] == expected["estimate"][0]
    assert people["high"][0] - people["low"][0] == pytest.approx(
        expected["high"][0] - expected["low"][0]
    )


def test_drawn_and_published_images_are_not_mixed(trials):
    model = trials.filter(observer="sees_texture", dataset="cue-conflict")
    drawn = model.with_columns(dataset=pl.lit("my <drawn>/set"), response=pl.col("category"))
    section = shape_bias_section(with_people(pl.concat([trials, drawn])), 20)
    assert set(section.figures) == {"shape-bias", "shape-bias-my-drawn-set"}
    bias = section.tables["shape-bias"].filter(observer="sees_texture").sort("dataset")
    assert bias["dataset"].to_list() == ["cue-conflict", "my <drawn>/set"]
    assert bias["estimate"][0] < 0.6
    assert bias["estimate"][1] == 1
    published = json.dumps(section.figures["shape-bias-my-drawn-set"].to_dict())
    assert "(published)" not in published
    assert set(bias["source"]) == {None}
    assert "(published)" in json.dumps(section.figures["shape-bias"].to_dict())


def test_who_saw_fewer_images_than_others_is_said(trials):
    """A model that was shown seven of sixteen categories had other images to be right about."""
    few = (pl.col("observer") == "sees_texture") & (pl.col("dataset") == "cue-conflict")
    part = with_people(trials.filter(~few | (pl.col("category") == "cat")))
    assert fewer_images(with_people(trials)) == []
    (said,) = fewer_images(part)
    assert re.fullmatch(r"sees_texture: \d+ of 32 images of cue-conflict", said)
    assert said in trials_section(part, 20).text
    # Another condition's images are not missed: that is said of conditions.
    other = trials.filter((pl.col("observer") != "sees_texture") | (pl.col("condition") != "c30"))
    assert fewer_images(with_people(other)) == []


def test_one_dataset_is_not_datasets(trials):
    one = with_people(trials.filter(dataset="edge"))
    assert "in 1 dataset. " in trials_section(one, 20).text
    assert "over the 1 dataset that" in benchmark_section(one, 20).text
    assert "in 3 datasets. " in trials_section(with_people(trials), 20).text


def test_who_saw_fewer_conditions_or_no_common_image_is_said(trials):
    part = trials.filter((pl.col("observer") != "sees_texture") | (pl.col("condition") != "c30"))
    assert fewer_conditions(with_people(part)) == ["sees_texture: 1 of 2 conditions of contrast"]
    assert "sees_texture: 1 of 2" in benchmark_section(with_people(part), 20).text
    assert strangers(with_people(trials)) == []
    other = trials.filter(observer="sees_texture", dataset="edge")
    other = other.with_columns(image=pl.format("other-{}", "image"))
    (said,) = strangers(with_people(pl.concat([trials.filter(kind="human"), other])))
    assert said.startswith("In edge, no image of people (such as bear0.png, bear1.png), of sees_te")
    assert "--columns imagename" in said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"category": pl.lit("yak")}, "their categories differ, as bear0.png is 'bear' for people"),
        ({"condition": pl.lit("far")}, "their conditions differ, as bear0.png is '0' for people"),
        ({"image": pl.col("image").str.replace("png", "JPG")}, "bear0.JPG and bear0.png; `synthes"),
        (
            {"dataset": pl.lit("mine")},
            "such as bear0.png, but in datasets of other names, edge and",
        ),
    ],
)
def test_what_keeps_images_apart_is_said(trials, change, reason):
    model = trials.filter(observer="sees_texture", dataset="edge").with_columns(**change)
    people = trials.filter(kind="human", dataset="edge")
    (said,) = strangers(with_people(pl.concat([people, model])))
    assert reason in said


def test_conditions_of_ones_own_are_shown_in_the_order_of_numbers(tmp_path):
    table = pl.concat(
        trial_table([True, False] * 4, name, "mine", kind=kind, condition=["10", "2"] * 4)
        for name, kind in (("subject-01", "human"), ("m", "generative"))
    )
    everyone = with_people(conform(table))
    section = metric_section(get_metric("accuracy"), everyone, 9)
    by_condition = section.tables["accuracy-by-condition"]
    assert by_condition["condition"].to_list() == ["2", "2", "10", "10"]
    figure = section.figures["accuracy-by-condition"].to_dict(validate=False)
    assert '"sort": ["2", "10"]' in json.dumps(figure)
    page = write_report(conform(table), tmp_path, resamples=9).read_text()
    assert "accuracy-by-condition" in page


def test_published_figures_are_marked_and_in_no_rank(trials):
    section = benchmark_section(with_people(trials), 20)
    likeness = section.tables["benchmark-likeness"]
    measured = likeness.filter(pl.col("source").is_null())
    assert measured["observer"].to_list() == ["sees-<shape>", "sees_texture", "people"]
    assert measured["mean_rank"].equals(benchmark(trials, resamples=0)["mean_rank"])
    assert measured["published rank of 52"].null_count() == 3
    printed = likeness.filter(pl.col("source").is_not_null())
    assert printed["observer"].str.ends_with(" (published)").all()
    assert printed["mean_rank"].null_count() == len(printed) == 11
    row = printed.filter(observer="CLIP ViT-B (400M) (published)").row(0, named=True)
    assert row["error_consistency"] == 0.281
    assert row["published rank of 52"] == 3
    assert row["source"] == "Geirhos et al. (2021), toolbox's README"
    assert "means over all 17 datasets; the others are over 3." in section.text
    # Over other datasets than theirs, points of the figure would be on another scale.
    drawn = json.dumps(section.figures["error-consistency-against-accuracy"].to_dict())
    assert "(published)" not in drawn
    everywhere = pl.concat([
        trials.filter(dataset="edge").with_columns(
            dataset=pl.lit(name),
            condition=pl.lit(min(set(one.conditions) - set(one.trivial))),
        )
        for name, one in datasets().items()
    ])  # fmt: skip
    drawn = json.dumps(
        benchmark_section(with_people(everywhere), 2)
        .figures["error-consistency-against-accuracy"].to_dict()
    )  # fmt: skip
    assert "ViT-22B-384 (4B) (published)" in drawn
    # Clark & Jaini's accuracies of shapes, in the section of accuracy.
    accuracy = sections()["accuracy"](with_people(trials), 20).tables["accuracy"]
    imagen = accuracy.filter(observer="Imagen (published)").row(0, named=True)
    assert (imagen["dataset"], imagen["estimate"]) == ("cue-conflict", 0.844)
    assert imagen["low"] is imagen["n"] is None
    # Nobody published anything on a dataset of one's own.
    own = trials.filter(dataset="edge").with_columns(dataset=pl.lit("mine"))
    assert "source" not in benchmark_section(with_people(own), 2).tables["benchmark-likeness"]


def test_a_model_of_few_datasets_does_not_shrink_the_benchmark(trials):
    model = trials.filter(observer="sees_texture")
    more = [model.with_columns(observer=pl.lit(name)) for name in ("b", "c")]
    few = model.filter(dataset="edge").with_columns(observer=pl.lit("few"))
    person = trials.filter(observer="subject-01", dataset="edge").with_columns(
        observer=pl.lit("me"), kind=pl.lit("participant")
    )
    section = benchmark_section(with_people(pl.concat([trials, *more, few, person])), 2)
    assert "over the 3 datasets" in section.text
    assert "Left out, because they saw fewer of these datasets: few; me." in section.text
    assert "few" not in section.tables["benchmark-likeness"]["observer"]
    # A participant beside models of the same datasets has a row, and no rank.
    section = benchmark_section(with_people(pl.concat([trials.filter(dataset="edge"), person])), 2)
    rows = section.tables["benchmark-likeness"].filter(pl.col("source").is_null())
    assert rows["observer"].to_list() == ["sees-<shape>", "sees_texture", "me", "people"]
    assert rows["mean_rank"].is_null().to_list() == [False, False, True, True]


@pytest.fixture
def browse(tmp_path):
    """Open a page in Chromium; what it said on its console is an error."""

    def browse(page, *options):
        run = subprocess.run(
            [
                str(CHROMIUM), *BROWSER, f"--user-data-dir={tmp_path / 'profile'}", *options,
                page.as_uri(),
            ],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert [line for line in run.stderr.splitlines() if "CONSOLE" in line] == []
        return run.stdout

    return browse


def in_browser(test):
    return pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page with")(
        test
    )


@in_browser
@pytest.mark.parametrize("width", [1200, 480])
def test_the_page_draws_its_figures_without_network_or_console_errors(folder, browse, width):
    page = (folder / "index.html").read_text()
    assert not re.search(r'(?:src|href)="https?:', page)
    shown = browse(folder / "index.html", f"--window-size={width},2000", "--dump-dom")
    assert shown.count('class="marks"') == 17
    assert shown.count('type="checkbox"') == 3
    assert "sees-&lt;shape&gt;" in shown


@in_browser
def test_observers_can_be_picked(folder, browse, tmp_path):
    """Point marks in the figures of accuracy and of κ, before and after one is unticked."""
    script = """<script>setTimeout(() => {
      const count = () => document.querySelectorAll(
        "#benchmark .mark-symbol path[aria-label], #accuracy .mark-rect path[aria-label]").length;
      const before = count();
      document.querySelector("#observers input[value=sees_texture]").click();
      setTimeout(() => { document.title = `${before} ${count()}`; }, 3000);
    }, 5000);</script>"""
    page = tmp_path / "page.html"
    before, end, after = (folder / "index.html").read_text().rpartition("</body>")
    page.write_text(before + script + end + after)
    shown = browse(page, "--window-size=1200,2000", "--dump-dom")
    before, after = map(int, re.search(r"<title>(\d+) (\d+)</title>", shown).groups())
    # A point in the scatter, a bar of edge images and one of cue conflict are gone, of three each.
    # And of two ranks, one.
    assert (before, after) == (9 + 2, 6 + 1)


@in_browser
def test_pointing_at_a_mark_says_observer_interval_and_n(folder, browse, tmp_path):
    script = """<script>setTimeout(() => {
      const mark = document.querySelector("#accuracy .mark-rect path[aria-label]");
      const { x, y } = mark.getBoundingClientRect();
      const at = { bubbles: true, clientX: x + 3, clientY: y + 3 };
      for (const type of ["pointermove", "mousemove"]) {
        mark.dispatchEvent(new PointerEvent(type, at));
      }
      setTimeout(() => {
        document.title = document.querySelector("#vg-tooltip-element").textContent;
      }, 1000);
    }, 5000);</script>"""
    page = tmp_path / "page.html"
    before, end, after = (folder / "index.html").read_text().rpartition("</body>")
    page.write_text(before + script + end + after)
    shown = browse(page, "--window-size=1200,2000", "--dump-dom")
    (said,) = re.findall(r"<title>(.*?)</title>", shown)
    assert re.fullmatch(r"observerpeopleaccuracy[\d.]+%95 % from[\d.]+%to[\d.]+%n96", said)


@in_browser
def test_the_page_prints(folder, browse, tmp_path):
    browse(folder / "index.html", f"--print-to-pdf={tmp_path / 'page.pdf'}")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(printed) > 50_000


def test_tables_show_intervals_and_escape_what_their_formats_need(tmp_path):
    table = pl.DataFrame(
        {"observer": ["a_b|<c>", "d", "published"], "estimate": [0.51234, None, 0.96],
         "low": [0.4, None, None], "high": [0.6, None, None], "n": [12, 0, None],
         "mean_rank": [-0.0001, 1.5, None]}
    )  # fmt: skip
    assert shown_table(table).rows() == [
        ("a_b|<c>", "0.512 [0.400, 0.600]", "12", "0.000"),
        ("d", "undefined", "0", "1.500"),
        ("published", "0.960", "", ""),
    ]
    assert to_markdown(table).splitlines()[:2] == [
        "| observer | estimate | n | mean rank |",
        "| :--- | ---: | ---: | ---: |",
    ]
    assert r"| a_b\|\<c> |" in to_markdown(table)
    row = r"a\_b\textbar{}\textless{}c\textgreater{} & 0.512 [0.400, 0.600] & 12 & 0.000 \\"
    assert row in to_latex(table)
    page = write_page(
        [Section("s", "S", "<b>", {"t": table})], {}, ["a_b|<c>"], tmp_path / "p.html"
    )
    html = page.read_text()
    assert "Weak interval" not in html + to_markdown(table) + to_latex(table, "T.")
    assert '<td class="text">a_b|&lt;c&gt;</td><td class="number">0.512 [0.400, 0.600]</td>' in html
    assert "<p>&lt;b&gt;</p>" in html


def test_tables_mark_weak_intervals_and_say_below_what_that_is(tmp_path, capsys):
    trials = pl.concat(
        trial_table([True] * right + [False] * (30 - right), observer=name, kind=kind)
        for name, right, kind in
        (("m", 28, "discriminative"), ("k", 20, "discriminative"), ("p", 18, "human"))
    )  # fmt: skip
    table = error_consistency(trials)
    assert dict(table.select("observer", "weak").iter_rows()) == {"k": False, "m": True}
    shown = dict(shown_table(table).select("observer", "estimate").iter_rows())
    assert shown["m"].endswith("]*")
    assert shown["k"].endswith("]")
    page = write_page([Section("s", "S", "", {"t": table})], {}, [], tmp_path / "p.html")
    print_comparison(comparisons(trials, measures=["accuracy", "error_consistency"],
                                 each_dataset=True))  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.count(")*") == 1
    for text in (to_markdown(table), to_latex(table, "T."), page.read_text(), printed):
        assert "Weak interval" in text
    undefined = error_consistency(trials.with_columns(response="category"))
    assert undefined["weak"].all()
    assert "Weak interval" not in to_markdown(undefined)


def test_published_rows_are_set_apart_and_fold_no_table(tmp_path):
    rows = [(f"o{n}", None) for n in range(3)] + [(f"p{n}", "A (2024)") for n in range(20)]
    table = pl.DataFrame(rows, schema=["observer", "source"], orient="row")
    page = write_page([Section("s", "S", "", {"t": table})], {}, ["o0"], tmp_path / "p.html")
    html = page.read_text().split("<script")[0].split("<main")[1]
    assert "<details" not in html
    assert html.count('<tr class="published">') == 20
    assert '<tr><td class="text">o2</td>' in html
    whole = table.with_columns(source=pl.lit(None, pl.String))
    page = write_page([Section("s", "S", "", {"t": whole})], {}, ["o0"], tmp_path / "p.html")
    assert "<details" in page.read_text().split("<script")[0].split("<main")[1]


def test_people_alone_and_one_model_alone_are_reported(trials, tmp_path):
    people = trials.filter(kind="human")
    page = write_report(people, tmp_path / "people", resamples=20)
    assert "Benchmark" not in page.read_text().split("<script")[0]
    assert (tmp_path / "people/figures/error-consistency-edge.svg").exists()
    model = trials.filter(observer="sees_texture")
    write_report(model, tmp_path / "model", resamples=20)
    assert (tmp_path / "model/figures/shape-bias.pdf").exists()
    with pytest.raises(SynthesightError, match="no trials to report"):
        write_report(model.head(0), tmp_path / "none")


def test_a_model_of_a_published_name_is_not_the_published_one(trials, tmp_path):
    published = trials.filter(observer="sees_texture").with_columns(
        observer=pl.lit("resnet50"), session=pl.lit(1, pl.Int64)
    )
    write_csv(published.filter(dataset="edge"), tmp_path / "data/model-trials/edge")
    own = published.with_columns(response=pl.lit("bear"), session=pl.lit(2, pl.Int64))
    write_csv(own.filter(dataset="edge"), tmp_path / "run")
    found = gather([tmp_path / "run"], tmp_path / "data")
    assert set(found["observer"]) == {"resnet50", "resnet50 (published)"}
    assert set(found.filter(observer="resnet50")["response"]) == {"bear"}
    assert found["observer"].value_counts()["count"].n_unique() == 1


def test_runs_are_joined_by_people_of_their_datasets(trials, tmp_path, monkeypatch):
    monkeypatch.delenv("SYNTHESIGHT_DATA", raising=False)
    for dataset in ("edge", "contrast"):
        write_csv(
            trials.filter(kind="human", dataset=dataset), tmp_path / "data/human-trials" / dataset
        )
    for run in ("one", "two"):
        write_csv(trials.filter(observer="sees_texture", dataset="edge"), tmp_path / run)
    both = gather([tmp_path / "one", tmp_path / "two"], tmp_path / "data")
    assert set(both["dataset"]) == {"edge"}
    assert set(both["observer"]) == {
        "subject-01", "subject-02", "sees_texture (one)", "sees_texture (two)",
    }  # fmt: skip
    (tmp_path / "later").mkdir()
    (tmp_path / "one").rename(tmp_path / "later" / "two")
    runs = [tmp_path / "later" / "two", tmp_path / "two"]
    assert set(gather(runs)["observer"]) == {f"sees_texture ({run})" for run in runs}
    with pytest.raises(SynthesightError, match="two is named twice"):
        gather([tmp_path / "two", tmp_path / "later" / ".." / "two"])
    assert set(gather([], tmp_path / "data")["dataset"]) == {"edge", "contrast"}
    # Published trials that a run holds too are there once.
    people = tmp_path / "data/human-trials/edge"
    assert len(gather([people], tmp_path / "data")) == len(read_csv(people))
    with pytest.raises(SynthesightError, match="nothing to report"):
        gather([])
    with pytest.raises(SynthesightError, match="no folder"):
        gather([], tmp_path / "nowhere")


def test_a_run_without_categories_shows_no_empty_table(trials, tmp_path):
    model = trials.filter(kind="generative", dataset="edge")
    model = model.filter(pl.col("observer") == model["observer"][0])
    unknown = model.with_columns(category=pl.lit(None, pl.String)).with_row_index()
    unread = unknown.with_columns(
        error=pl.when(pl.col("index") < 4).then(pl.lit("a.png is empty: get the file anew."))
    ).drop("index")
    write_report(conform(unread), tmp_path, resamples=9)
    assert not (tmp_path / "tables" / "accuracy.csv").exists()
    (row,) = pl.read_csv(tmp_path / "tables" / "trials.csv").to_dicts()
    assert row["categories"] == 0
    assert row["trials"] == len(unread) - 4
    assert "4 images could not be read and are left out." in (tmp_path / "index.html").read_text()


def test_the_population_is_named_beside_the_numbers(tmp_path):
    shown = [f"{n}.png" for n in range(12)]
    trials = pl.concat(
        [
            trial_table(["cat"] * n + ["dog"] * (12 - n), name, "d", kind=kind, stimulus=shown)
            for name, n, kind in (("m", 6, "generative"), ("a", 9, "human"), ("b", 11, "human"))
        ]
    )
    folder = tmp_path / "trials.parquet"
    trials.write_parquet(folder)
    done("report", folder, "--out", tmp_path / "r", "--population", "new-people")
    table = pl.read_csv(tmp_path / "r" / "tables" / "accuracy.csv")
    assert dict(table.select("observer", "population").iter_rows()) == {
        "people": "new-people", "m": "these",
    }  # fmt: skip
    assert "for these images and new people like these" in (tmp_path / "r/index.html").read_text()
    caption = (tmp_path / "r/figures.tex").read_text()
    assert "for these images and new people like these.}\\label{fig:accuracy-bars}" in caption
    svg = (tmp_path / "r/figures/accuracy-bars.svg").read_text()
    assert "new people like these.</desc>" in svg
    for name in ("m", "n"):
        one = trials.filter(observer="m").with_columns(observer=pl.lit(name))
        one.write_parquet(tmp_path / f"{name}.parquet")
    both = [tmp_path / "m.parquet", tmp_path / "n.parquet"]
    said = done("compare", *both, "--population", "these")
    assert "Intervals are for these images and people." in said
    said = done("compare", *both, "--json", "--population", "new-people-and-stimuli")
    assert '"population": "new-stimuli"' in said  # no person is in the accuracy of a model
    message = refused("report", folder, "--out", tmp_path / "s", "--population", "new-persons")
    assert "--population" in message
    assert "did you mean new-people" in message


def test_without_runs_people_are_reported_alone(tmp_path, monkeypatch):
    people = tmp_path / "data/human-trials/edge"
    people.mkdir(parents=True)
    for n in (1, 2):
        (people / f"edge_subject-0{n}_session_1.csv").write_text(
            "subj,session,trial,rt,object_response,category,condition,imagename\n"
            f"subject-0{n},1,1,0.5,cat,cat,0,0_0_0_0_cat_0_cat1.png\n"
            f"subject-0{n},1,2,0.6,dog,cat,0,0_0_0_0_cat_0_cat2.png\n"
        )
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    result = command("report", "--resamples", 10)
    assert result.returncode == 0, result.stderr
    assert "No run was named" in result.stdout + result.stderr
    assert "subject-02" in (tmp_path / "report/tables/error-consistency.csv").read_text()
