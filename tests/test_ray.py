"""A Ray cluster answers as one process does, whatever becomes of its machines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

import synthesight
from builders import command, noise_stimuli, refused, save_pictures
from synthesight.backends.ray import RayObserver
from synthesight.errors import SynthesightError
from synthesight.observers.options import ModelOptions

ray = pytest.importorskip("ray")

STORE = 80 * 2**20  # bytes
CLASSES = ["cat", "dog"]
MODEL = {"classes": CLASSES, "device": "cpu"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that computes nothing, so that work depends on the machines that tests add."""
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_worker_niceness": "0"}  # on a busy machine, nice ones do not get on
    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    try:
        made = Cluster(initialize_head=True, head_node_args=head)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # a sandbox without the processes or ports that Ray needs
        pytest.skip(f"Ray cannot start here: {error}")
    yield made
    ray.shutdown()
    made.shutdown()


def kill_a_worker() -> None:
    for process in psutil.Process().children(recursive=True):
        if "".join(process.cmdline()[:1]).startswith("ray::Worker"):
            os.kill(process.pid, signal.SIGKILL)
            return
    raise AssertionError("nobody is answering")


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [False, pytest.param(True, marks=pytest.mark.stress)])
def test_lost_workers_and_machines_change_nothing(cluster, replaced):
    stimuli = noise_stimuli(np.random.default_rng(0), 2000, size=32)
    first = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    observer = RayObserver("natural-32-cnn", ModelOptions(**MODEL))
    answers = observer.respond(stimuli)
    made = [next(answers) for _ in range(100)]
    assert any(sent for hand in observer.hands for sent in hand.chunks.values())
    kill_a_worker()
    if replaced:  # by another on its machine
        made += [next(answers) for _ in range(600)]
    cluster.remove_node(first)
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    made += answers
    alone = synthesight.load("natural-32-cnn", **MODEL)
    assert observer.describe() == alone.describe()
    expected = {response.stimulus.id: response for response in alone.respond(stimuli)}
    assert sorted(response.stimulus.id for response in made) == sorted(expected)
    for response in made:
        one = expected[response.stimulus.id]
        assert response.stimulus is one.stimulus
        assert response.response == one.response
        assert response.evaluations == one.evaluations
        assert (response.draws == one.draws).all()
        np.testing.assert_allclose(response.evidence, one.evidence, atol=1e-4)


@pytest.mark.slow
def test_the_command_writes_the_run_that_one_process_writes(cluster, tmp_path):
    if not any(node["Alive"] and node["Resources"].get("CPU") for node in ray.nodes()):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    photos = tmp_path / "photos"
    save_pictures(photos, "cat/1.png", "cat/2.png", "dog/1.png")
    (photos / "dog" / "2.png").write_bytes(b"no image")
    evaluate = ["evaluate", "-m", "natural-32-cnn", "--stimuli", photos, "--device", "cpu"]
    tables = []
    for name, options in {"one": [], "many": ["--backend", "ray", "--jobs", 2]}.items():
        result = written(*evaluate, *options, "--out", tmp_path / name)
        assert "1 of 4 images could not be read" in result
        tables.append(synthesight.Run(tmp_path / name).trials())
    one, many = tables
    assert many.drop("evidence").equals(one.drop("evidence"))
    assert many["error"].drop_nulls().to_list() == one["error"].drop_nulls().to_list()
    # A cluster's run goes on in one process.
    assert "1 of 4 images" in written(*evaluate, "--out", tmp_path / "many")


def written(*arguments: Any) -> str:
    """Run a command that writes a run, and return what it says of images that are unreadable."""
    result = command(*arguments)
    assert result.returncode == 2, result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:1"}, "`device='cuda:1'` is one of many"),
        ({"jobs": 0}, "`jobs=0` leaves no workers"),
        ({"address": "ray://head:10001"}, "is that of a Ray client"),
    ],
)
def test_what_a_cluster_cannot_do_is_said(options, message, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(SynthesightError, match=message):
        synthesight.evaluate(
            "natural-32-cnn",
            noise_stimuli(np.random.default_rng(0), 2),
            tmp_path / "run",
            backend="ray",
            classes=CLASSES,
            **options,
        )


def test_objects_are_not_shipped(tmp_path):
    opened = synthesight.load("natural-32-cnn", device="cpu")
    with pytest.raises(SynthesightError, match="cannot ship a Discriminative"):
        synthesight.evaluate(opened, tmp_path, tmp_path / "run", backend="ray")


def test_options_of_another_backend_are_refused(tmp_path):
    save_pictures(tmp_path / "photos", "cat/1.png", "dog/1.png")
    evaluate = ["evaluate", "--stimuli", tmp_path / "photos", "--out", tmp_path / "run"]
    assert "--backend local has no use for --jobs" in refused(*evaluate, "--jobs", 2)
    assert "There is no --backend moon: choose" in refused(*evaluate, "--backend", "moon")
