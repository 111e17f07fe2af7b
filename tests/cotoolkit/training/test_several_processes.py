"""Processes that share batches, through the command line: they train like one, and end with what started them."""

import subprocess
import sys
import time

import psutil
import pytest
import torch

from cotoolkit.core.errors import ConfigError, RunInUse
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.progress import Progress
from cotoolkit.training.run import run
from tests._helpers.small import small

COMMAND = "import sys; from cotoolkit.cli import main; sys.argv[0] = 'cotoolkit'; main()"

UNLIKE = 0.02
"""Of weights after 60 iterations, in units of the largest one. Each iteration rounds otherwise; three agree to 1e-5."""


def train(config_file, root, *words):
    command = ["train", "--config", str(config_file), "--root", str(root), "--device", "cpu", *words]
    return subprocess.Popen([sys.executable, "-c", COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def started_by(command):
    """The processes that a command has started, among them those that its fork server has made, and the server."""
    return psutil.Process(command.pid).children(recursive=True)


def ranks_of(command):
    """Those that train: the children of its children."""
    return [process for process in started_by(command) if process.ppid() != command.pid]


@pytest.fixture
def config(tmp_path):
    config = small(epochs=12)
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    return config


@pytest.mark.slow
def test_two_end_with_a_killed_parent_and_the_same_command_trains_like_one(config, tmp_path):
    folder = RunFolder.of(tmp_path / "two", config)
    killed = train(tmp_path / "config.yaml", tmp_path / "two", "--devices", "2")
    deadline = time.monotonic() + 300
    while folder.state != "running":
        assert killed.poll() is None, killed.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    processes = started_by(killed)
    assert len(ranks_of(killed)) == 2
    with pytest.raises(RunInUse):  # by the first of the two, not by the one that started them
        run(config, tmp_path / "two", device="cpu")
    killed.kill()
    killed.wait()
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert folder.state == "running"

    again = train(tmp_path / "config.yaml", tmp_path / "two", "--devices", "2")
    said = again.communicate(timeout=300)[0].decode()
    assert again.returncode == 0, said
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
def test_one_that_is_killed_ends_the_command_with_one_line(config, tmp_path):
    folder = RunFolder.of(tmp_path, config)
    command = train(tmp_path / "config.yaml", tmp_path, "--devices", "2")
    while folder.state != "running":
        assert command.poll() is None
        time.sleep(0.02)
    ranks_of(command)[-1].kill()
    said = command.communicate(timeout=120)[0].decode().strip()
    assert command.returncode == 1
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
