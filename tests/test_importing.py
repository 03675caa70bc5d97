"""Import of trials: lab software, spreadsheets, and what is said of them."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import command, done, noise, refused, save_pictures
from synthesight.analysis import accuracy, error_consistency, pairwise_consistency
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.find import find_stimuli
from synthesight.trials.importing import import_trials
from synthesight.trials.importing.formats import PUBLISHED, detect
from synthesight.trials.reading import read_trials


@pytest.fixture
def cases(data_folder):
    folder = data_folder.parent / "field-cases"
    if not folder.is_dir():
        pytest.skip("the field cases are not here")
    return folder


@pytest.fixture
def write(tmp_path):
    def write(text, name="pets/P01.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["same", "capital", "synonym-automobile", "trailing-space"])
def test_a_study_has_one_result_however_its_answers_are_spelled(cases, name):
    trials = read_trials(cases / "spelling" / name)
    assert len(trials) == 160
    assert round(accuracy(trials, by="dataset", resamples=0)["estimate"].item(), 3) == 0.838
    assert round(pairwise_consistency(trials, resamples=0)["estimate"].item(), 3) == 0.091
    assert set(trials["response"]) == {"cat", "dog", "bird", "car"}


@pytest.mark.parametrize(
    ("name", "files", "left_out"),
    [
        ("semicolon", "2 files: semicolon-separated, UTF-8, decimal comma", None),
        ("tab", "2 files: tab-separated, UTF-8", None),
        ("latin1", "2 files: comma-separated, Windows-1252", None),
        ("blankline", "2 files: comma-separated, UTF-8", "6 blank lines"),
        ("twice", "2 files: comma-separated, UTF-8", None),
    ],
)
def test_exports_of_spreadsheets_are_read_and_understood(cases, name, files, left_out):
    found = import_trials(cases / "lab-exports" / name)
    assert len(found.trials) == 80
    assert found.facts["files"] == files
    assert found.facts.get("left out") == left_out
    assert found.facts["observers"] == "2 human (subject-01, subject-02)"
    assert found.facts["no response"] == "2 of 80 trials"
    assert found.trials["rt"].null_count() == 2
    assert found.trials["rt"].max() < 2
    twice = [note for note in found.notes if "there twice and left out" in note]
    assert [note[:35] for note in twice] == ["2 rows are there twice and left out"] * (
        name == "twice"
    )
    if name == "latin1":
        assert "kätzchen0.png" in found.trials["image"].to_list()


def test_files_of_psychopy_and_jspsych_are_read(cases):
    found = import_trials(cases / "lab-exports" / "psychopy")
    assert found.facts["format"] == "PsychoPy (found out)"
    shown = ["cat", "dog", "bird", "car"]
    columns = ["observer", "kind", "dataset", "category", "response", "rt", "image"]
    expected = [
        ("P01", "human", "pets", name, name, 0.5 + n / 100, f"{name}{n}.png")
        for n, name in enumerate(shown)
    ]
    assert found.trials.sort("rt").select(columns).rows() == expected
    buttons = {str(n): name for n, name in enumerate(shown)}
    found = import_trials(cases / "lab-exports" / "jspsych", format="jspsych", keys=buttons)
    # Response times of jsPsych are in milliseconds.
    expected = [
        ("s1", "human", "pets", name, name, 0.5 + n / 1000, f"{name}{n}.png")
        for n, name in enumerate(shown)
    ]
    assert found.trials.sort("rt").select(columns).rows() == expected
    message = refused("data", "import", cases / "lab-exports" / "jspsych", "--out", "nowhere")
    assert "'0' 1×" in message
    assert "--keys 0=…,1=…" in message


def test_the_toolbox_leaves_the_one_condition_out(cases):
    trials = read_trials(cases / "toolbox-csv" / "edge-NaN")
    assert trials["condition"].unique().to_list() == ["0"]
    assert len(trials) == 160


NAMES = {
    "subj": ["subj", "Subject", "participant", "Participant ID", "vp"],
    "session": ["session", "Session", "sess"],
    "trial": ["trial", "Trial Number", "trial_nr"],
    "rt": ["rt", "RT", "reaction_time", "Response Time (ms)"],
    "object_response": ["object_response", "Response", "answer", "choice"],
    "category": ["category", "Label", "corrAns", "ground_truth"],
    "condition": ["condition", "Cond"],
    "imagename": ["imagename", "image", "filename", "stimulus", "Stim File"],
    "viewpoint": ["viewpoint"],
}
CATEGORIES = ["cat", "dog", "bicycle", "airplane"]
SPELLINGS = [str, str.upper, str.title, lambda name: f" {name} ", lambda name: name + "s"]
NOTHING = ["na", "NA", "", "None", "NaN", "timeout", "N/A"]


@settings(max_examples=25)
@given(st.data())
def test_an_export_is_the_same_study_however_it_is_written(tmp_path_factory, data):
    draw = data.draw
    count = draw(st.integers(4, 10))
    rows = [
        {
            "subj": draw(st.sampled_from(["P1", "Jürgen", "007"])),
            "session": draw(st.integers(1, 2)),
            "trial": number,
            "rt": draw(st.integers(100, 3000)),
            "object_response": draw(st.sampled_from([*CATEGORIES, *CATEGORIES, None])),
            "category": draw(st.sampled_from(CATEGORIES)),
            "condition": draw(st.sampled_from(["near", "far"])),
            "imagename": f"größe_{number}.png",
            "viewpoint": draw(st.sampled_from([0.5, 45.25])),
        }
        for number in range(count)
    ]
    separator = draw(st.sampled_from(",;\t|"))
    comma = draw(st.booleans())
    names = {column: draw(st.sampled_from(spelled)) for column, spelled in NAMES.items()}
    thousandth = 1 if names["rt"].endswith("(ms)") else 1000

    def cell(column, value):
        if column == "rt":
            value = value / thousandth if thousandth > 1 else value
        if column == "object_response":
            nothing = draw(st.sampled_from(NOTHING))
            value = nothing if value is None else draw(st.sampled_from(SPELLINGS))(value)
        if column == "imagename":
            value = draw(st.sampled_from(["", "stim/", "stim\\a\\", "http://x.org/"])) + value
        text = str(value)
        return text.replace(".", ",") if comma and isinstance(value, float) else text

    order = draw(st.permutations(list(NAMES)))
    text = io.StringIO(newline="")
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    index = draw(st.booleans())
    writer.writerow([*([""] * index), *(names[column] for column in order)])
    for number, row in enumerate(rows):
        cells = [cell(column, row[column]) for column in order]
        writer.writerow([*([number] * index), *cells])
        if draw(st.integers(0, 5)) == 0:
            text.write(end)
    path = tmp_path_factory.mktemp("t") / "pets" / "export.csv"
    path.parent.mkdir()
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]))
    path.write_bytes(text.getvalue().encode(encoding))

    found = import_trials(path, kind="human")
    columns = ["observer", "kind", "dataset", "condition", "session", "trial", "image", "category"]
    columns += ["response", "rt", "viewpoint"]
    assert found.trials.sort("trial").select(columns).rows() == [
        (
            row["subj"], "human", "pets", row["condition"], row["session"], row["trial"],
            row["imagename"], row["category"], row["object_response"], row["rt"] / 1000,
            row["viewpoint"],
        )
        for row in rows
    ]  # fmt: skip


PSYCHOPY = """\
image,corrAns,welcome.keys,practice.thisN,trials.thisN,key_resp.keys,key_resp.rt,mouse.clicked_name,participant,session,date,expName,psychopyVersion,
,,space,,,,,,3,001,2024-01-01,pets,2024.1,
stim/dog9.png,j,,0,,f,0.4,,3,001,2024-01-01,pets,2024.1,
stim/cat0.png,f,,,0,f,0.5,,3,001,2024-01-01,pets,2024.1,
stim/dog1.png,j,,,1,None,,,3,001,2024-01-01,pets,2024.1,
stim/dog2.png,j,,,2,['j'],[0.7],,3,001,2024-01-01,pets,2024.1,
"""


def test_rows_of_psychopy_that_are_no_trials_are_counted(write):
    path = write(PSYCHOPY, "data/3_pets_2024.csv")
    found = import_trials(path, keys={"f": "cat", "j": "dog"})
    assert found.trials.select(
        "observer", "trial", "image", "category", "response", "rt"
    ).rows() == [
        ("3", 0, "cat0.png", "cat", "cat", 0.5),
        ("3", 1, "dog1.png", "dog", None, None),
        ("3", 2, "dog2.png", "dog", "dog", 0.7),
    ]
    left_out = "1 practice rows (practice.thisN), 1 rows that show no image"
    assert found.facts["left out"] == left_out
    assert found.facts["dataset"] == "pets (by the column expName)"
    assert "columns left out" in found.facts
    # Answers by mouse are found as well as those by keys.
    clicks = PSYCHOPY.replace(",f,0.5,", ",,0.5,cat_button").replace("None,", "").splitlines()
    header = clicks[0]
    rows = [
        f"stim/{name}{n}.png,{name},,,{n},,,['{name}'],3,1,d,pets,2"
        for n, name in enumerate(CATEGORIES)
    ]
    found = import_trials(write("\n".join([header, *rows]), "data/4.csv"))
    assert found.trials["response"].to_list() == CATEGORIES
    assert found.facts["columns"].count("mouse.clicked_name") == 1


JSPSYCH = [
    {"trial_type": "preload", "trial_index": 0, "time_elapsed": 9, "success": True},
    {"trial_type": "html-keyboard-response", "trial_index": 1, "stimulus": "<p>+</p>", "rt": None,
     "response": None, "time_elapsed": 10},
    {"trial_type": "image-keyboard-response", "trial_index": 2, "stimulus": "img/dog7.png",
     "response": "j", "rt": 400, "task": "practice", "time_elapsed": 11, "correct_response": "j"},
    {"trial_type": "image-keyboard-response", "trial_index": 3, "stimulus": "img/cat0.png",
     "response": "F", "rt": 500.5, "task": "test", "time_elapsed": 12, "correct_response": "f"},
    {"trial_type": "html-button-response", "trial_index": 4, "response": "j", "rt": 600,
     "stimulus": "<div><img src='img/dog%201.png?x=1' width=2></div>", "task": "test",
     "time_elapsed": 13, "correct_response": "j"},
    {"trial_type": "image-keyboard-response", "trial_index": 5, "stimulus": "img/dog2.png",
     "response": None, "rt": None, "task": "test", "time_elapsed": 14, "correct_response": "j"},
    {"trial_type": "image-keyboard-response", "trial_index": 6, "stimulus": "img/mask.png",
     "response": None, "rt": None, "time_elapsed": 15},
    {"trial_type": "survey-text", "trial_index": 7, "response": {"Q0": "fine"}, "rt": 9000},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_rows_of_jspsych_that_are_no_trials_are_counted(tmp_path, kind):
    path = tmp_path / "pets" / f"s1.{kind}"
    path.parent.mkdir()
    if kind == "csv":
        flat = [
            {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()}
            for row in JSPSYCH
        ]
        pl.DataFrame(flat, infer_schema_length=None).write_csv(path, null_value="null")
    elif kind == "json":
        path.write_text(json.dumps([JSPSYCH]))
    else:
        path.write_text("\n".join(map(json.dumps, JSPSYCH)))
    found = import_trials(path, keys={"f": "cat", "j": "dog"})
    assert found.trials.select(
        "observer", "image", "category", "response", "rt", "task"
    ).rows() == [
        ("s1", "cat0.png", "cat", "cat", 0.5005, "test"),
        ("s1", "dog 1.png", "dog", "dog", 0.6, "test"),
        ("s1", "dog2.png", "dog", None, None, "test"),
    ]
    assert found.facts["left out"] == (
        "1 practice rows (task), 3 rows that show no image, 1 rows without category and response"
    )
    assert found.facts["observers"] == "1 human (s1), by the files' names"


def test_formats_are_told_only_where_they_are_sure():
    assert detect(PUBLISHED) == "toolbox"
    assert detect(["image", "key_resp.keys", "key_resp.rt", "participant", "date"]) == "table"
    assert detect(["rt", "stimulus", "response", "trial_type"]) == "table"


TABLE = "person;image;answer;truth;size;rt [ms]\n"


def test_columns_keys_and_kinds_are_as_the_user_says(write):
    path = write(TABLE + "P1;a.png;1;face;1,5;500\nnet;a.png;2;face;2;\n")
    options = {"keys": {"1": "face", "2": "house"}, "kind": {"P1": "human", "net": "generative"}}
    trials = import_trials(
        path, columns={"category": "truth", "observer": "person"}, **options
    ).trials
    columns = ["observer", "kind", "category", "response", "size", "rt"]
    assert trials.select(columns).rows() == [
        ("P1", "human", "face", "face", 1.5, 0.5),
        ("net", "generative", "face", "house", 2.0, None),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"persn": "person"}}, "trials have no 'persn'.*"),
        ({"columns": {"subj": "persn"}}, "has no column 'persn': did you mean person"),
        ({"columns": {"response": ""}}, "has no column for the response"),
        ({"format": "psychpy"}, "no `format='psychpy'`: did you mean psychopy"),
        ({"kind": "person"}, "`kind='person'` is no kind"),
        ({"kind": {"P2": "human"}}, "`kind` names 'P2', who is no observer"),
        ({"format": "toolbox"}, "lacks the column 'subj'"),
        (
            {},
            r"line 2: 2 of 2 responses in pets are no category \('1' 1×, '2' 1×; shown were face\)",
        ),
    ],
)
def test_what_cannot_be_imported_is_said_in_one_sentence(write, options, message):
    path = write(TABLE + "P1;a.png;1;face;1,5;500\nnet;a.png;2;face;2;\n")
    with pytest.raises(SynthesightError, match=message) as caught:
        import_trials(path, **options)
    assert "\n" not in str(caught.value)


def test_two_answers_in_one_trial_are_refused_and_repeated_images_counted(write):
    rows = "P1,1,1,cat,a.png,cat\nP1,1,2,dog,a.png,cat\n"
    header = "subj,session,trial,response,image,category\n"
    found = import_trials(write(header + rows + rows))
    assert found.trials["trial"].to_list() == [1, 2]
    assert [note[:12] for note in found.notes] == ["2 rows are t", "2 trials sho"]
    with pytest.raises(
        SynthesightError, match=r"P1 answered a.png twice in trial 1 .*line 2 and .*4"
    ):
        import_trials(write(header + rows + rows.replace("1,cat", "1,dog")))


def test_one_observer_without_a_kind_is_asked_for(write, tmp_path):
    path = write("subj,response,image,category\nmaria,cat,a.png,cat\nresnet50,cat,a.png,cat\n")
    assert "whether maria is human: give --kind human" in refused(
        "data", "import", path, "--out", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()
    done(
        "data",
        "import",
        path,
        "--out",
        tmp_path / "out",
        "--kind",
        "maria=human,resnet50=discriminative",
    )
    trials = read_trials(tmp_path / "out")
    assert trials.select("observer", "kind").rows() == [
        ("maria", "human"),
        ("resnet50", "discriminative"),
    ]


def test_factors_come_back_from_csv(write, tmp_path):
    text = "subj,response,image,category,viewpoint,seen,note,seed\n"
    text += "P1,cat,a.png,cat,45,true,=1+1,7\nP1,dog,b.png,cat,90,false,,8\n"
    shown = done("data", "import", write(text), "--out", tmp_path / "out", "--kind", "human")
    assert "factors      viewpoint, seen, note, seed_" in shown
    again = read_trials(tmp_path / "out")
    assert again.select("viewpoint", "seen", "seed_").rows() == [(45, True, 7), (90, False, 8)]
    assert accuracy(again, by="viewpoint", resamples=0)["estimate"].to_list() == [1.0, 0.0]


def test_stimuli_give_trials_their_categories_and_tell_what_pairs(tmp_path, write):
    save_pictures(tmp_path / "photos", "cat/tabby_A_1.jpg", "cat/siamese_A_1.jpg", "dog/1.jpg")
    text = "subj,answer,file\nP1,cat,x/tabby_A_1.jpg\nP1,dog,Siamese_A_1.png\nP1,dog,zebra.png\n"
    path = write(text.replace("P1,dog,zebra.png\n", ""), "lab/a.csv")
    found = import_trials(path, kind="human", stimuli=tmp_path / "photos")
    assert found.trials.select("dataset", "image", "category", "response").rows() == [
        ("photos", "tabby_A_1.jpg", "cat", "cat"),
        ("photos", "siamese_A_1.jpg", "cat", "dog"),
    ]
    assert find_stimuli(tmp_path / "photos")[0].dataset == "photos"
    text = text.replace("subj,", "subj,category,").replace("P1,", "P1,cat,")
    found = import_trials(write(text, "lab/b.csv"), kind="human", stimuli=tmp_path / "photos")
    assert any("1 of 3 images are none of the stimuli: zebra.png" in note for note in found.notes)
    other = write("subj,category,answer,file\nP1,cat,cat,x.png\n", "lab/c.csv")
    with pytest.raises(
        SynthesightError, match=r"None of the images .*\(x.png\) is one of the 3 .*jpg"
    ):
        import_trials(other, kind="human", stimuli=tmp_path / "photos")


def test_a_folder_is_read_and_what_is_passed_over_is_named(write, tmp_path):
    header = "subj,response,image,category\n"
    write(header + "P1,cat,a.png,cat\n", "pets/P1.csv")
    write(header, "pets/P2.csv")
    write("log", "pets/P1.log")
    write("Notes on the study", "pets/README.txt")
    with pytest.warns(SynthesightWarning, match="no table and passed over: P1.log, README.txt"):
        assert len(read_trials(tmp_path / "pets")) == 1
    result = command(
        "data", "import", tmp_path / "pets", "--out", tmp_path / "o", "--kind", "human"
    )
    assert result.returncode == 0
    assert "1 files without rows" in result.stdout
    assert "2 files are no table and passed over" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "it is a binary file, not text"),
        (b"subj,response,image,category\nP1,c\0t,a.png,cat\n", "it is a binary file, not text"),
        (
            b"subj,response,image,category\nP1,cat,a.png,cat,dog,bird\n",
            "line 2: there are 6 fields",
        ),
    ],
)
def test_hostile_files_are_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert message in refused("report", path, "--out", tmp_path / "report")


def test_odd_cells_are_kept_as_they_are(write):
    name = "<script>alert(1)</script>"
    text = f'subj,response,image,category,note\n"{name}",cat,a.png,cat,{"x" * 300_000}\n'
    found = import_trials(write(text), kind="human")
    assert found.trials["observer"].to_list() == [name]
    assert found.trials["note"].str.len_chars().to_list() == [300_000]


def test_a_study_of_people_and_a_model_meet_in_one_report(tmp_path, write):
    """The whole way: pictures, an export of a laboratory, a model, and their error consistency."""
    rng = np.random.default_rng(0)
    names = [f"{name}/{name}_{n}.png" for name in ("cat", "dog") for n in range(4)]
    for name in names:
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        noise(rng, 32).save(tmp_path / "pets" / name)
    rows = [
        f"{who};{name.rpartition('/')[2]};{'f' if rng.random() < 0.6 else 'j'};0,{n + 3};{n % 2}"
        for who in ("maria", "jonas")
        for n, name in enumerate(names)
    ]
    path = write("\n".join(["person;image;key;rt;size", *rows]), "lab/export.csv")
    people, run = tmp_path / "people", tmp_path / "run"
    said = done(
        "data", "import", path, "--out", people, "--kind", "human", "--keys", "f=cat,j=dog",
        "--stimuli", tmp_path / "pets",
    )  # fmt: skip
    assert "decimal comma" in said
    assert "16 trials are in 2 files" in said
    done(
        "evaluate", "--model", "natural-32-cnn", "--stimuli", tmp_path / "pets", "--out", run,
        "--device", "cpu",
    )  # fmt: skip
    data = tmp_path / "none"
    data.mkdir()
    out = tmp_path / "report"
    done("report", people, run, "--out", out, "--resamples", 9, "--data", data)
    table = pl.read_csv(out / "tables" / "error-consistency.csv")
    pairs = set(table.select("first", "second").rows())
    assert {("jonas", "maria"), ("jonas", "natural-32-cnn")} <= pairs
    trials = pl.concat([read_trials(people), read_trials(run)], how="diagonal_relaxed")
    expected = error_consistency(trials, resamples=0)
    assert set(expected["observer"]) == {"natural-32-cnn", "people"}
    assert expected["n"].to_list() == [16, 8]
    assert set(error_consistency(read_trials(people), by="size", resamples=0)["size"]) == {0, 1}
