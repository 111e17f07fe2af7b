"""Processes that share batches, through the command line: they train like one, and end with what started them."""

import os
import sys
import time

import psutil
import pytest
import torch

from cotoolkit.cli import main
from cotoolkit.core.errors import ConfigError, RunInUse
from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.progress import Progress
from cotoolkit.training.run import run
from tests._helpers.new_process import LOCAL
from tests._helpers.small import small

UNLIKE = 0.02
"""Of weights after 60 iterations, in units of the largest one. Each iteration rounds otherwise; three agree to 1e-5."""


def say_to(path, words):
    """The command line in a process of its own, which says all that it says in a file."""
    for stream in (1, 2):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    sys.argv = ["cotoolkit", *words]
    main()


class Command:
    """A command that trains."""

    def __init__(self, config_file, root, *words):
        self.said = root.with_suffix(".said")
        self.said.unlink(missing_ok=True)
        words = ("train", "--config", str(config_file), "--root", str(root), "--device", "cpu", *words)
        self.process = process_context(LOCAL).Process(target=say_to, args=(self.said, words))
        self.process.start()

    @property
    def code(self):
        return self.process.exitcode

    def end(self):
        """Wait for it; gives what it said."""
        self.process.join(300)
        return self.said.read_text()


@pytest.fixture
def train():
    """Starts a command."""
    started = []

    def call(*given):
        started.append(Command(*given))
        return started[-1]

    yield call
    for command in started:
        command.process.kill()
        command.process.join()


def started_by(command):
    """The processes that a command has started, among them those that its fork server has made, and the server."""
    return psutil.Process(command.process.pid).children(recursive=True)


def ranks_of(command):
    """Those that train: the children of its children."""
    return [process for process in started_by(command) if process.ppid() != command.process.pid]


@pytest.fixture
def config(tmp_path):
    config = small(epochs=12)
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    return config


@pytest.mark.slow
def test_two_end_with_a_killed_parent_and_the_same_command_trains_like_one(config, tmp_path, train):
    folder = RunFolder.of(tmp_path / "two", config)
    killed = train(tmp_path / "config.yaml", tmp_path / "two", "--devices", "2")
    deadline = time.monotonic() + 300
    while folder.state != "running":
        assert killed.code is None, killed.end()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    processes = started_by(killed)
    assert len(ranks_of(killed)) == 2
    with pytest.raises(RunInUse):  # by the first of the two, not by the one that started them
        run(config, tmp_path / "two", device="cpu")
    killed.process.kill()
    killed.end()
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert folder.state == "running"

    again = train(tmp_path / "config.yaml", tmp_path / "two", "--devices", "2")
    said = again.end()
    assert again.code == 0, said
    assert "Initializing distributed" not in said
    assert folder.state == "done"
    one, two = run(config, tmp_path / "one", device="cpu"), folder
    first, second = one.checkpoint("last"), two.checkpoint("last")
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, atol=UNLIKE * float(tensor.abs().max()), rtol=0)
    assert two.result()["iterations"] == one.result()["iterations"]
    assert not list(folder.path.glob("output.log"))


@pytest.mark.slow
def test_a_few_iterations_agree_to_rounding_and_progress_is_told(tmp_path):
    config, told = small(epochs=1), []
    one = run(config, tmp_path / "one", device="cpu").checkpoint("last")
    two = run(config, tmp_path / "two", device="cpu", devices=2, report=told.append).checkpoint("last")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)
    assert all(isinstance(progress, Progress) for progress in told)
    assert told[-1].note == "evaluating"
    assert told[-1].iteration == told[-1].total


@pytest.mark.slow
def test_one_that_is_killed_ends_the_command_with_one_line(config, tmp_path, train):
    folder = RunFolder.of(tmp_path / "two", config)
    command = train(tmp_path / "config.yaml", tmp_path / "two", "--devices", "2")
    while folder.state != "running":
        assert command.code is None
        time.sleep(0.02)
    ranks_of(command)[-1].kill()
    said = command.end().strip()
    assert command.code == 1
    assert said.startswith("error: ")
    assert said.endswith("of 2 died by SIGKILL; out of memory?")
    assert "\n" not in said
    assert folder.state == "failed"


def test_batches_fall_into_equal_parts(tmp_path):
    with pytest.raises(ConfigError, match="devices=3: a batch of 64 does not fall into as many equal parts"):
        run(small(), tmp_path, device="cpu", devices=3)


@pytest.mark.parametrize(
    "settings",
    [{"method": "ema"}, {"method": "fgsm_pgi"}, {"remedy": {"name": "rollback", "methods": ["sora"]}}],
    ids=str,
)
def test_methods_that_remember_are_refused_before_anything_is_begun(tmp_path, settings):
    with pytest.raises(ConfigError, match=r"devices=2: method (ema|fgsm_pgi|sora) remembers what it saw"):
        run(small(**settings), tmp_path, device="cpu", devices=2)
    assert not list(tmp_path.iterdir())
