"""Runs as one array job, with submitit's processes of this machine in place of SLURM."""

import signal

import psutil
import pytest

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.studies.launchers import slurm
from cotoolkit.studies.launchers.resources import Resources
from cotoolkit.studies.launchers.slurm import SlurmArray
from cotoolkit.studies.study import Study
from cotoolkit.training.run import run
from tests._helpers.launched import HERE, TINY, failing_study, same_but_for_time, stamps, tiny_study

HERE_INSTEAD = {"cluster": "local"}


@pytest.mark.slow
def test_an_array_gives_the_same_table_finished_runs_stay_and_failing_ones_are_told(tmp_path):
    study = Study(name="mixed", base=TINY, grids=(*tiny_study(3).grids, *failing_study().grids))
    configs = study.runs()
    good = tiny_study(3)
    assert configs[:3] == good.runs()
    for config in configs[:3]:
        run(config, tmp_path / "here", device="cpu")
    run(configs[1], tmp_path / "slurm", device="cpu")
    (stamp,) = stamps(good, tmp_path / "slurm").values()
    outcomes, updates = [], []
    study.run(
        tmp_path / "slurm",
        launcher=SlurmArray(1, parameters=HERE_INSTEAD),
        device="cpu",
        on_update=updates.append,
        on_outcome=outcomes.append,
    )
    assert [configs.index(outcome.config) for outcome in outcomes] == [1, 0, 2, 3, 4]
    assert [outcome.state for outcome in outcomes] == ["done", "done", "done", "failed", "failed"]
    assert "no such luck" in outcomes[3].reason
    assert "SystemExit: 0" in outcomes[4].reason
    assert {update.identity for update in updates} >= {configs[0].identity, configs[2].identity}
    assert configs[1].identity not in {update.identity for update in updates}
    found, expected = good.write_table(tmp_path / "slurm"), good.write_table(tmp_path / "here")
    assert same_but_for_time(found).equals(same_but_for_time(expected))
    assert list(stamps(good, tmp_path / "slurm").values())[1] == stamp


@pytest.fixture
def elements(monkeypatch):
    """The elements of each array that is submitted."""
    arrays = []
    submit = slurm._submitted

    def submitted(*arguments):
        arrays.append(submit(*arguments))
        return arrays[-1]

    monkeypatch.setattr(slurm, "_submitted", submitted)
    return arrays


@pytest.mark.slow
def test_an_element_whose_time_is_over_goes_on_and_one_that_is_killed_is_submitted_again(
    tmp_path, elements, monkeypatch
):
    # How long it waits for a result that a shared file system may show late.
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)
    study = Study(name="slow", base={**TINY, "model": f"{HERE}:slow", "epochs": 20})
    run(study.runs()[0], tmp_path / "here", device="cpu")
    steps = []

    def on_update(update):
        (element,) = elements[-1]
        try:
            processes = psutil.Process(element._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:  # news of an element that has ended since, and is being submitted again
            return
        if not processes:
            return
        if not steps and update.progress.iteration > 20:
            steps.append("time over")
            processes[0].send_signal(signal.SIGUSR2)  # as SLURM does before it ends a job
        elif len(steps) == 1 and update.progress.iteration > 45:
            steps.append("killed")
            for process in processes:
                process.kill()

    launcher = SlurmArray(1, parameters=HERE_INSTEAD)
    found = study.run(tmp_path / "slurm", launcher=launcher, device="cpu", on_update=on_update)
    assert steps == ["time over", "killed"]
    assert same_but_for_time(found).equals(same_but_for_time(study.write_table(tmp_path / "here")))
    assert len(elements) == 2


FAKE_SBATCH = """#!/bin/sh
cp "$1" {copy}
echo "sbatch: error: invalid partition specified: fast" >&2
exit 1
"""


@pytest.fixture
def fake_slurm(tmp_path, monkeypatch):
    """A SLURM that refuses everything; gives the script that was to be submitted."""
    copy = tmp_path / "submitted.sh"
    for name, text in (("srun", "#!/bin/sh\n"), ("sbatch", FAKE_SBATCH.format(copy=copy))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return copy


def test_what_is_submitted_to_slurm(fake_slurm, tmp_path):
    parameters = {"partition": "fast", "timeout_min": 90, "qos": "high", "setup": "module load cuda"}
    launcher = SlurmArray(8, Resources(cpus=2, gpus=0.25), parameters)
    with pytest.raises(RunError, match=r"SLURM took no job: .*invalid partition specified: fast") as caught:
        tiny_study(24).run(tmp_path / "runs", launcher=launcher, device="cuda")
    assert "\n" not in str(caught.value)
    text = fake_slurm.read_text()
    for line in (
        "#SBATCH --array=0-5%2",  # four runs share the GPU of an element, and eight at a time are two elements
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --partition=fast",
        "#SBATCH --qos=high",
        "#SBATCH --time=90",
        "module load cuda",
    ):
        assert line in text.splitlines()


def test_large_studies_are_one_array_of_a_thousand_elements(fake_slurm, tmp_path):
    with pytest.raises(RunError, match="SLURM took no job"):
        tiny_study(1001).run(tmp_path / "runs", launcher=SlurmArray(), device="cpu")
    assert "#SBATCH --array=0-999%" in fake_slurm.read_text()
    assert "gpus" not in fake_slurm.read_text()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "Could not detect"),
        ({"cluster": "moon"}, "executor named moon"),
        ({"partitoin": "a", "cluster": "local"}, "Unknown argument 'partitoin'"),
        ({"timeout_min": "soon", "cluster": "local"}, "timeout_min"),
    ],
)
def test_what_submitit_cannot_do_is_one_line(parameters, message, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(ConfigError, match=message) as caught:
        tiny_study(1).run(tmp_path, launcher=SlurmArray(parameters=parameters), device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--slurm", "partition=a"), "--slurm is for --launcher slurm"),
        (("--ray-address", "auto"), "--ray-address is for --launcher ray"),
        (("--launcher", "slurm", "--slurm", "partition"), "write each as NAME=VALUE"),
        (("--launcher", "slurm", "--slurm", "a=1", "--slurm", "a=2"), "once"),
        (("--resources", "gpus=1.5"), "a part of one GPU, or whole ones"),
    ],
)
def test_options_that_do_not_fit_are_one_line(words, message, cli):
    code, _, err = cli("study", "run", "data=digits", *words)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
