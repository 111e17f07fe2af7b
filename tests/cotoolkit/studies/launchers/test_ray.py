"""Runs as tasks of a real Ray cluster of this machine, whose workers die."""

import random
import threading

import psutil
import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.launchers import elsewhere
from cotoolkit.studies.launchers.local import LocalProcesses
from cotoolkit.studies.launchers.ray import RayTasks
from cotoolkit.studies.launchers.resources import Resources
from cotoolkit.studies.study import Study
from tests._helpers.launched import HERE, TINY, failing_study, same_but_for_time, stamps, tiny_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    with RayTasks(jobs=2)._cluster() as (ray, joined):
        assert not joined
        yield ray


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere"])
def test_an_address_that_nobody_answers_is_one_line(address, cli):
    code, _, err = cli("study", "run", "data=digits", "--launcher", "ray", "--ray-address", address)
    assert code == 2
    assert err.startswith(f"error: no Ray cluster at {address}: ")
    assert err.count("\n") == 1


def training_processes():
    """The workers of Ray that train at this moment."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::train_elsewhere"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


class Killer(threading.Thread):
    """Kills workers by a seeded schedule, until it has killed enough."""

    def __init__(self, kills, seed):
        super().__init__(daemon=True)
        self.random, self.left, self.killed, self.over = random.Random(seed), kills, 0, threading.Event()

    def run(self):
        while self.left and not self.over.wait(self.random.uniform(0.2, 1.0)):
            if victims := training_processes():
                self.random.choice(sorted(victims, key=lambda process: process.pid)).kill()
                self.left, self.killed = self.left - 1, self.killed + 1


def test_a_study_whose_workers_are_killed_at_random_comes_out_bit_for_bit(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(elsewhere, "RETRIES", 4)  # all kills may hit the same run before it saves anything
    study = tiny_study(12, model=f"{HERE}:slow")
    expected = study.run(tmp_path / "local", launcher=LocalProcesses(2), device="cpu")
    outcomes, updates = [], []
    killer = Killer(4, seed=17)
    killer.start()
    found = study.run(
        tmp_path / "ray",
        launcher=RayTasks(jobs=2),
        device="cpu",
        on_update=updates.append,
        on_outcome=outcomes.append,
    )
    killer.over.set()
    assert killer.killed >= 3
    assert found["state"].tolist() == ["done"] * 12
    assert sorted(outcome.config.seed for outcome in outcomes) == list(range(12))
    assert {update.identity for update in updates} == {run.identity for run in study.runs()}
    assert same_but_for_time(found).equals(same_but_for_time(expected))
    for one, other in zip(study.folders(tmp_path / "ray"), study.folders(tmp_path / "local"), strict=True):
        first, second = one.checkpoint("last"), other.checkpoint("last")
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert one.metrics().equals(other.metrics())
        assert not list(one.path.glob("*progress*"))

    # What is there is not trained again.
    before = stamps(study, tmp_path / "ray")
    assert study.run(tmp_path / "ray", launcher=RayTasks(), device="cpu")["state"].tolist() == ["done"] * 12
    assert stamps(study, tmp_path / "ray") == before


def test_failing_runs_are_one_line_and_are_not_tried_again(cluster, cli, tmp_path):
    study = failing_study()
    (tmp_path / "study.yaml").write_text(study.model_dump_json())
    code, _, err = cli("study", "run", "--file", "study.yaml", "--device", "cpu", "--launcher", "ray", "--jobs", "2")
    assert code == 1, err
    assert [folder.state for folder in study.folders(tmp_path / "runs")] == ["done", "failed", "failed"]
    lines = [line for line in err.splitlines() if line.startswith("error: failed: ")]
    assert any("no such luck" in line for line in lines)
    assert any("SystemExit: 0" in line for line in lines)
    assert all("died" not in folder.reason for folder in study.folders(tmp_path / "runs"))


def test_a_run_that_kills_its_process_fails_in_the_end(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(elsewhere, "RETRIES", 1)
    study = Study(name="dying", base={**TINY, "model": f"{HERE}:dying"})
    table = study.run(tmp_path, launcher=RayTasks(), device="cpu")
    assert table["state"].tolist() == ["failed"]
    (folder,) = study.folders(tmp_path)
    assert folder.reason.startswith("its process died 2 times: ")


def test_what_no_machine_has_is_one_line():
    machine = {"Alive": True, "Resources": {"CPU": 2.0}}
    with pytest.raises(ConfigError, match="a run takes 1 CPUs and 1 GPUs, but Ray found 2 CPUs and 0 GPUs; ask for"):
        RayTasks()._reserved([machine], "cuda", joined=False)
    with pytest.raises(ConfigError, match="a run takes 3 CPUs"):
        RayTasks(resources=Resources(cpus=3))._reserved([machine], "cpu", joined=False)


def test_a_joined_cluster_may_grow_and_gpus_are_shared(caplog):
    machine = {"Alive": True, "Resources": {"CPU": 2.0}}
    assert RayTasks()._reserved([machine], "cuda", joined=True) == {"num_cpus": 1, "num_gpus": 1}
    assert "waiting for a larger machine" in caplog.text
    large = {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}
    shared = RayTasks(resources=Resources(gpus=0.25))
    assert shared._reserved([machine, large], "auto", joined=True) == {"num_cpus": 1, "num_gpus": 0.25}
    assert shared._reserved([machine, large], "cpu", joined=True) == {"num_cpus": 1, "num_gpus": 0}
