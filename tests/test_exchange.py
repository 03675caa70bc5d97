"""The published CSV layout: reading, writing, and what is refused."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from builders import done, trial_table
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.names import Spelling, image_of
from synthesight.trials.exchange import read_csv, write_csv
from synthesight.trials.importing.formats import PUBLISHED
from synthesight.trials.reading import read_trials
from synthesight.trials.schema import conform
from synthesight.trials.store import Run

HEADER = "subj,Session,trial,rt,object_response,category,condition,imagename\n"
GOOD = "subject-01,1,1,0.8,oven,oven,0.90,0001_nse_s01_0.90_oven_10_n04111531_14126.png\n"
YAK = GOOD.replace("oven,oven", "yak,oven")
NONE = "subject-01,1,2,NaN,na,cat,0.00,0002_nse_s01_0.00_cat_10_n02124075_12815.png\n"
CONFLICT = "alexnet,1,1,NaN,cat,cat,0,0001_s5n_dnn_0_cat_00_cat7-clock3.png\n"
FILE = "uniform-noise/uniform-noise_subject-01_session_1.csv"


@pytest.fixture
def write(tmp_path):
    def write(text, name=FILE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_published_files_become_trials(write, tmp_path):
    write(HEADER + GOOD + NONE)
    write(HEADER.lower() + CONFLICT, "cue-conflict/style-transfer-experiment_alexnet_session-1.csv")
    trials = read_csv(tmp_path).sort("dataset", "trial")
    assert trials["dataset"].to_list() == ["cue-conflict", "uniform-noise", "uniform-noise"]
    assert trials["kind"].to_list() == [None, "human", "human"]
    assert trials["condition"].to_list() == ["0", "0.9", "0.0"]
    assert trials["response"].to_list() == ["cat", "oven", None]
    assert trials["rt"].to_list() == [None, 0.8, None]
    assert trials["texture"].to_list() == ["clock", None, None]
    assert trials["image"].to_list() == [
        "cat7-clock3.png", "n04111531_14126.png", "n02124075_12815.png",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("3.0", 3), ("session-3", 3)])
def test_sessions_and_trials_are_numbers_however_they_are_written(write, text, number):
    path = write(HEADER + f"s,{text},{text},,cat,cat,0,a.png\n", "edge/edge_s_session_1.csv")
    assert read_csv(path)["session"].to_list() == read_csv(path)["trial"].to_list() == [number]
    with pytest.raises(SynthesightError, match=r"'3\.5' is no number"):
        read_csv(write(HEADER + "s,3.5,1,,cat,cat,0,a.png\n", "edge/edge_t_session_1.csv"))


@pytest.mark.parametrize(
    ("name", "dataset", "expected"),
    [
        (FILE, None, "uniform-noise"),
        ("edge/anything_resnet50_session-1.csv", None, "edge"),
        ("mine/mine_a_b_session_1.csv", None, "mine"),
        ("downloads/edge_subject-01_session_1.csv", None, "edge"),
        ("downloads/table.csv", "mine", "mine"),
    ],
)
def test_the_dataset_is_told_by_folder_or_file(write, name, dataset, expected):
    path = write(HEADER + "s,session-2,3,,cat,cat,0,a_cat.png\n", name)
    for source in (path, path.parent):
        trials = read_csv(source, dataset)
        assert trials.select("dataset", "session", "trial").row(0) == (expected, 2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace("object_response,", "") + "s,1,1,,cat,0.9,1.png\n", "no column for the re"),
        (HEADER + GOOD + GOOD.replace("oven,oven", "oven,yak"), "line 3: category 'yak'"),
        (HEADER + YAK + YAK.replace(",1,1,", ",1,2,"), "line 2: 2 of 3 responses .* are no categ"),
        (HEADER + GOOD + GOOD.replace("0.90,", "0.91,"), "line 3: uniform-noise has no condition"),
        (HEADER + GOOD.replace("-01,1,", "-01,one,"), "line 2: session 'one' is no number"),
        (HEADER + "subject-01,1,1,0.8,oven\n", "line 2: there is no imagename"),
        ("", "cannot be read as CSV"),
        (HEADER + '"' + GOOD, "cannot be read as CSV"),
    ],
)
def test_a_mistake_in_a_file_is_named(write, text, message):
    write(HEADER + GOOD, FILE.replace("01", "00"))
    path = write(text)
    with pytest.raises(SynthesightError, match=message) as caught:
        read_csv(path.parent)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_only_published_datasets_have_the_sixteen_categories(write):
    row = HEADER + "s,1,1,1.5,yak,gnu,0,a_gnu.png\n"
    row += "s,1,2,1.5,gnu,gnu,0,b_gnu.png\n"
    path = write(row, "zoo/zoo_s_session_1.csv")
    # A run on images of other categories comes back from its export.
    with pytest.warns(
        SynthesightWarning, match=r"1 of 2 responses in zoo .* count as errors: 'yak'"
    ):
        assert read_csv(path)["response"].to_list() == ["yak", "gnu"]
    assert read_csv(path, categories=["yak", "gnu"])["response"].to_list() == ["yak", "gnu"]
    with pytest.raises(SynthesightError, match="'gnu' is none of the categories"):
        read_csv(path, categories=["yak"])
    edge = write(row, "edge/edge_s_session_1.csv")
    with pytest.raises(SynthesightError, match="'gnu' is none of the categories"):
        read_csv(edge)
    assert len(read_csv(edge, categories=["yak", "gnu"])) == 2


def test_missing_and_nameless_files_are_refused(write, tmp_path):
    with pytest.raises(SynthesightError, match="no CSV files"):
        read_csv(tmp_path / "nowhere")
    with pytest.raises(SynthesightError, match="no CSV files"):
        read_csv(tmp_path)
    nameless = write(HEADER + GOOD, "downloads/table.csv")
    assert read_csv(nameless)["dataset"].to_list() == ["downloads"]


def test_our_trials_are_written_as_the_toolbox_reads_them(tmp_path):
    trials = trial_table(
        ["cat", None, None],
        observer="a/b",
        dataset="edge",
        stimulus=["edge/cat/cat2.png", "edge/cat/cat1.png", "edge/dog/dog1.png"],
        category=["cat", "cat", "dog"],
        error=[None, None, "not an image"],
    )
    (path,) = write_csv(trials, tmp_path)
    assert path.relative_to(tmp_path).as_posix() == "edge/edge_a-b_session_1.csv"
    table = pl.read_csv(path, infer_schema=False)
    assert table.rows() == [
        ("a/b", "1", "1", "NaN", "na", "cat", "0", "cat1.png", "discriminative"),
        ("a/b", "1", "2", "NaN", "cat", "cat", "0", "cat2.png", "discriminative"),
    ]
    both = pl.concat([trials, trials.with_columns(observer=pl.lit("a b"))])
    with pytest.raises(SynthesightError, match="rename one"):
        write_csv(both, tmp_path)


CONDITIONS = [(dataset, name) for dataset in datasets() for name in datasets()[dataset].conditions]
# What a file can hold: text that is not blank at its ends, as no-one would name an observer.
NAME = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="/\\"),
    min_size=1,
    max_size=12,
).filter(lambda name: name.strip() == name)


@settings(max_examples=25)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "place": st.sampled_from(CONDITIONS),
                "observer": st.sampled_from(["subject-01", "subject-02"]) | NAME,
                "session": st.integers(1, 3),
                "trial": st.integers(1, 10**9),
                "rt": st.none() | st.floats(0, 10),
                "response": st.none() | st.sampled_from(SIXTEEN),
                "category": st.sampled_from(SIXTEEN),
                "name": NAME,
            }
        ),
        min_size=1,
        max_size=20,
        unique_by=(lambda row: row["trial"], lambda row: row["name"]),
    )
)
def test_a_round_trip_loses_nothing(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("trials")
    people = [row["observer"].startswith("subject-") for row in rows]
    named = [f"{row['trial']:04}_x_{row['name']}.png" for row in rows]
    images = [image_of(name) for name in named]
    shown = [
        (row["place"][0], image, row["category"]) for row, image in zip(rows, images, strict=True)
    ]
    spelling = Spelling(shown)
    frame = pl.DataFrame([{**row, "place": None} for row in rows], infer_schema_length=None)
    trials = conform(
        frame.drop("place", "name").with_columns(
            dataset=pl.Series([row["place"][0] for row in rows]),
            condition=pl.Series([row["place"][1] for row in rows]),
            kind=pl.Series(["human" if person else None for person in people], dtype=pl.String),
            stimulus=pl.Series(named),
            image=pl.Series(images),
            texture=pl.Series([spelling.texture(*image) for image in shown], dtype=pl.String),
        )
    )
    try:
        write_csv(trials, folder)
    except SynthesightError:
        reject()  # "a b" and "a:b" cannot both name a file
    assert read_csv(folder).sort("trial").equals(trials.sort("trial"))


@pytest.mark.parametrize("dataset", sorted(datasets()))
def test_pandas_reads_what_the_toolbox_needs(tmp_path, dataset):
    """As modelvshuman's plotting_helper does: types guessed, then conditions made text."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    names = datasets()[dataset].conditions
    trials = trial_table([None] * len(names), dataset=dataset, condition=names)
    (path,) = write_csv(trials, tmp_path)
    assert path.parent.name == dataset
    table = pandas.read_csv(path)
    assert list(table.columns) == [*PUBLISHED, "kind"]
    assert set(table["condition"].astype(str)) == set(names)
    assert set(table["object_response"]) == {"na"}
    assert set(table["subj"]) == {"m"}


def test_trials_become_a_pandas_frame(write):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = read_csv(write(HEADER + GOOD + NONE)).to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["condition"]) == ["0.9", "0.0"]
    assert frame["response"].isna().tolist() == [False, True]
    assert frame["session"].tolist() == [1, 1]


def test_the_command_line_exports_runs_and_folders(write, tmp_path):
    write(HEADER + GOOD + NONE)
    run = Run.create(tmp_path / "run", {})
    row = {
        "observer": "a model", "dataset": "edge", "stimulus": "edge/cat/cat1.png",
        "category": "cat", "response": "dog",
    }  # fmt: skip
    run.append([row, {**row, "stimulus": "edge/cat/x.png", "response": None, "error": "bad"}])
    sources = [tmp_path / "run", tmp_path / "uniform-noise"]
    out = tmp_path / "out"
    shown = done("export", *sources, "--out", out)
    assert "3 trials are in 2 files" in shown
    assert "1 images that could not be read are left out" in shown
    again = read_trials(out)
    assert again.sort("dataset")["observer"].to_list() == ["a model", "subject-01", "subject-01"]
    done("export", out, "--out", tmp_path / "twice")
    for path in out.rglob("*.csv"):
        assert path.read_text() == (tmp_path / "twice" / path.relative_to(out)).read_text()


def test_what_cannot_be_exported_is_said(tmp_path):
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(SynthesightError, match="no trials to write"):
        write_csv(run.trials(), tmp_path / "out")
    run.append([{"observer": "m", "stimulus": "photos/1.png", "response": "cat"}])
    with pytest.raises(SynthesightError, match=r"photos/1\.png has no category"):
        write_csv(run.trials(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(SynthesightError, match="no file or folder"):
        read_trials(tmp_path / "nowhere")
    row = {"observer": "m", "stimulus": "a/1.png", "category": "cat", "response": "cat"}
    with pytest.raises(SynthesightError, match=r"answered a/1\.png twice.*a folder of its own"):
        write_csv(pl.DataFrame([row, {**row, "response": "dog"}]), tmp_path / "out")
    # A dataset's name does not lead out of the folder.
    row = {"observer": "m", "stimulus": "1.png", "category": "cat", "response": "cat"}
    (path,) = write_csv(pl.DataFrame([{**row, "dataset": ".."}]), tmp_path / "out" / "in")
    assert path.is_relative_to(tmp_path / "out" / "in")
    assert path.resolve().is_relative_to((tmp_path / "out" / "in").resolve())


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["n0", "n02503517", "7728.JPEG", "cat", "x"]), min_size=1))
def test_columns_pair_images_by_the_same_rule_as_names(tmp_path_factory, parts):
    name = "_".join(parts)
    path = tmp_path_factory.mktemp("t") / "edge_s_session_1.csv"
    path.write_text(HEADER + f"s,1,1,,cat,cat,0,{name}\n")
    assert read_csv(path)["image"].to_list() == [image_of(name)]


def test_nobody_is_called_as_all_people_together():
    with pytest.raises(SynthesightError, match=r"called 'people'.*rename it"):
        conform(trial_table([True, False], " People"))
