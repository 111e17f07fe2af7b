"""What all launchers have in common, with one that trains nothing."""

import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.launcher import Launcher, launch
from cotoolkit.studies.launchers.local import LocalProcesses
from cotoolkit.studies.launchers.tasks import Ended, Surroundings, Task, Update
from cotoolkit.training.progress import Progress
from cotoolkit.training.run import run
from tests._helpers.launched import tiny_study


class Scripted(Launcher):
    """Reports what it was told to, last task first."""

    def __init__(self):
        self.trained, self.closed = [], False

    def train(self, tasks):
        try:
            for task in reversed(tasks):
                self.trained.append(task.identity)
                yield Update(task.identity, Progress(1, 2, None))
                yield Ended(task.identity, "failed", "no reason")
        finally:
            self.closed = True


def test_outcomes_come_in_the_order_of_the_runs_and_finished_ones_are_left_alone(tmp_path):
    study, launcher, updates, outcomes = tiny_study(), Scripted(), [], []
    configs = study.runs()
    run(configs[1], tmp_path, device="cpu")
    found = launch(configs, tmp_path, launcher, on_update=updates.append, on_outcome=outcomes.append)
    assert [one.config for one in found] == configs
    assert [one.state for one in found] == ["failed", "done", "failed"]
    assert launcher.trained == [configs[2].identity, configs[0].identity]
    assert [one.identity for one in updates] == launcher.trained
    assert [one.config for one in outcomes] == [configs[1], configs[2], configs[0]]
    assert launcher.closed

    launch(configs[1:2], tmp_path, launcher := Scripted(), fresh=True)
    assert launcher.trained == [configs[1].identity]
    assert not RunFolder.of(tmp_path, configs[1]).finished


def test_a_display_that_breaks_closes_the_launcher(tmp_path):
    launcher = Scripted()

    def breaks(update):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(tiny_study().runs(), tmp_path, launcher, on_update=breaks)
    assert launcher.closed
    assert len(launcher.trained) == 1


def test_a_folder_in_use_is_not_made_fresh(tmp_path):
    (config,) = tiny_study(1).runs()
    folder = RunFolder.of(tmp_path, config)
    with folder.lock():
        (outcome,) = launch([config], tmp_path, launcher := Scripted(), fresh=True)
    assert "another process is training this run" in outcome.reason
    assert launcher.trained == []


def test_jobs_are_those_of_the_launcher(tmp_path):
    with pytest.raises(ConfigError, match="give jobs or a launcher"):
        tiny_study().run(tmp_path, jobs=2, launcher=LocalProcesses(2))


def test_surroundings_stand_first_and_a_missing_folder_is_left_out(tmp_path, monkeypatch):
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/b", "/a"])
    here = Surroundings.here()
    assert here.path == (str(tmp_path), "/b", "/a")
    monkeypatch.setattr(sys, "path", ["/own", "/a"])
    here._replace(folder="/no/such/folder").enter()
    assert sys.path == [str(tmp_path), "/b", "/a", "/own"]


def test_a_task_is_plain_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (config,) = tiny_study(1).runs()
    task = Task.of(config, "runs", "cpu", False)
    assert task.root == str(tmp_path / "runs")
    assert task.folder == str(RunFolder.of(tmp_path / "runs", config).path)
    assert task.train(lambda progress: None) == Ended(config.identity, "done", "")
