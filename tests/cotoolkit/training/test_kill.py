import signal
import time

import pytest
import torch

from cotoolkit.core.errors import RunInUse
from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.launcher import launch
from cotoolkit.studies.launchers.local import LocalProcesses
from cotoolkit.training import recorder
from cotoolkit.training.run import run
from tests._helpers.new_process import LOCAL
from tests._helpers.small import small


def train(config, root, pause):
    torch.set_num_threads(1)
    recorder.SAVE_EVERY = 0.0
    run(config, root, device="cpu", report=lambda progress: time.sleep(pause))


@pytest.fixture
def start():
    """Starts a process that does something, once or often."""
    started = []

    def call(work, *given):
        process = process_context(LOCAL).Process(target=work, args=given)
        process.start()
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.join()


@pytest.mark.slow
def test_kill_9_at_any_moment_then_the_same_command_gives_the_same_bits(tmp_path, start):
    config = small(method="n_fgsm", epochs=12, data__augment="crop")
    whole = run(config, tmp_path / "whole", device="cpu")

    folder = RunFolder.of(tmp_path / "parts", config)
    # After so many saves, so many seconds later: in mid-epoch, right after a save.
    for saves, later in ((2, 0.07), (4, 0.0)):
        process = start(train, config, tmp_path / "parts", 0.02)
        seen, last = 0, None
        while seen < saves:
            assert process.exitcode is None, "the run ended before it could be killed"
            resume = folder.path / "resume.safetensors"
            stamp = resume.stat().st_mtime_ns if resume.exists() else None
            seen, last = seen + (stamp != last and stamp is not None), stamp
            time.sleep(0.002)
        time.sleep(later)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert folder.state == "running"
    process = start(train, config, tmp_path / "parts", 0)
    process.join()
    assert process.exitcode == 0

    first, second = whole.checkpoint("last"), folder.checkpoint("last")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert folder.metrics().equals(whole.metrics())
    assert {**folder.result(), "seconds": 0} == {**whole.result(), "seconds": 0}
    assert not list(folder.path.rglob("*.tmp"))


def launch_one(config, root):
    launch([config], root, LocalProcesses(1), device="cpu")


@pytest.mark.slow
def test_workers_die_with_a_killed_launcher(tmp_path, start):
    config = small(epochs=2000)
    process = start(launch_one, config, tmp_path)
    folder = RunFolder.of(tmp_path, config)
    deadline = time.monotonic() + 120
    while folder.state != "running":
        assert time.monotonic() < deadline
        assert process.exitcode is None
        time.sleep(0.05)
    process.kill()
    process.join()
    while True:  # the worker holds the run's lock as long as it lives
        try:
            with folder.lock():
                break
        except RunInUse:
            assert time.monotonic() < deadline
            time.sleep(0.05)
