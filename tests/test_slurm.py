"""A job array of Slurm shares the stimuli of one run among its jobs."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

import synthesight
from builders import done, refused, save_pictures
from synthesight.backends import slurm
from synthesight.errors import SynthesightError

submitit = pytest.importorskip("submitit")

FAILS = partial(int, "no such sum")
OPTIONS = "partition=gpu,time=1-4:30:00,gpus-per-node=1,exclusive"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    names = [f"{kind}/{n}.png" for kind in ("cat", "dog") for n in range(3)]
    save_pictures(tmp_path / "photos", *names)
    return tmp_path / "photos"


@pytest.mark.slow
def test_jobs_of_this_machine_write_the_run_that_one_process_writes(photos, tmp_path):
    evaluate = ["evaluate", "-m", "natural-32-cnn", "--stimuli", photos, "--device", "cpu"]
    done(*evaluate, "--out", tmp_path / "one")
    jobs = ["--backend", "slurm", "--jobs", 2, "--slurm", "cluster=local"]
    assert "accuracy" in done(*evaluate, *jobs, "--out", tmp_path / "many").lower()
    one, many = (synthesight.Run(tmp_path / name) for name in ("one", "many"))
    assert many.trials().drop("evidence").equals(one.trials().drop("evidence"))
    assert len(list((tmp_path / "many").glob("part-*"))) == 2  # each job wrote its share
    assert list((tmp_path / "many.slurm").glob("*.out"))


def test_a_job_that_fails_says_why(tmp_path):
    with pytest.raises(
        SynthesightError, match=r"1 of 1 jobs failed \(the first: ValueError.*no such"
    ):
        slurm.run_jobs([FAILS], tmp_path / "logs", "cluster=local", progress=False)


def test_the_array_is_submitted_with_sbatchs_own_options(tmp_path, monkeypatch):
    fake = tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/submitted.sh\necho "Submitted batch job 7"\n')
    fake.chmod(0o755)
    (fake.parent / "srun").symlink_to(fake)
    (fake.parent / "sacct").write_text(
        "#!/bin/sh\necho 'JobID|State|NodeList\n7_0|COMPLETED|a\n7_1|COMPLETED|a'\n"
    )
    (fake.parent / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "EVERY", 0.01)
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 0)
    # The jobs never ran, so that nothing is known of what they gave.
    with pytest.raises(SynthesightError, match="2 of 2 jobs failed"):
        slurm.run_jobs([FAILS, FAILS], tmp_path / "logs", OPTIONS, progress=False)
    script = (tmp_path / "submitted.sh").read_text()
    for line in (
        "#SBATCH --array=0-1%2",
        "#SBATCH --exclusive",
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --partition=gpu",
        "#SBATCH --requeue",
        "#SBATCH --signal=USR2@120",
        "#SBATCH --time=1710",
    ):
        assert line in script.splitlines()
    assert "submitit.core._submit" in script


def test_a_stopped_job_is_put_back_as_it_is():
    job = slurm.Job(FAILS)
    again = job.checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.function is job


def test_the_printed_batch_file_runs_the_command_as_an_array(photos, tmp_path):
    out = tmp_path / "my run"
    evaluate = ["evaluate", "-m", "natural-32-cnn", "--stimuli", photos, "--out", out]
    jobs = ["--backend", "slurm", "--jobs", 3, "--slurm", OPTIONS]
    script = done(*evaluate, *jobs, "--print-sbatch")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    for line in ("#SBATCH --array=1-3", "#SBATCH --exclusive", "#SBATCH --signal=USR1@120"):
        assert line in script.splitlines()
    # The script itself, with what Slurm would do played by the shell.
    played = (
        'srun() { echo "$@"; return 138; }; scontrol() { echo requeued "$2"; }\n'
        "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_JOB_ID=7\n" + script
    )
    result = subprocess.run(["bash"], input=played, text=True, capture_output=True, check=False)
    assert result.returncode == 0
    command, requeued = result.stdout.splitlines()
    assert command.endswith(f"--out {out} --stimuli {photos} --shard 2/3")
    assert "--backend" not in command
    assert "--slurm" not in command
    assert requeued == "requeued 7_2"
    assert not out.exists()


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("90", 90), ("90:30", 91), ("4:00:00", 240), ("1-12", 2160), ("2-0:30", 2910)],
)
def test_time_limits_are_read_as_slurm_reads_them(limit, minutes):
    assert slurm.minutes(limit) == minutes


def test_mistakes_are_one_sentence(photos, tmp_path, monkeypatch):
    evaluate = ["evaluate", "--stimuli", photos, "--out", tmp_path / "run", "--backend", "slurm"]
    assert "say how many" in refused(*evaluate)
    assert "leaves no workers" in refused(*evaluate, "--jobs", 0)
    jobs = [*evaluate, "--jobs", 2]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "There is no Slurm on this machine" in refused(*jobs)
    assert "is no list of sbatch's options" in refused(*jobs, "--slurm", "partition: gpu")
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    assert "lacks a time limit" in refused(*jobs, "--slurm", "partition=gpu")
    assert "is no time limit" in refused(*jobs, "--slurm", "time=soon")
    assert "`jobs`" not in refused(*evaluate[:-2], "--print-sbatch")
