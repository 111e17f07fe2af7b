import signal
import subprocess
import sys
import time

import pytest
import torch

from cotoolkit.core.errors import RunInUse
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run
from tests._helpers.small import small

PROGRAM = """
import sys, time
import torch
torch.set_num_threads(1)
from cotoolkit.training import recorder
from cotoolkit.training.run import run
from cotoolkit.config import RunConfig
import yaml
recorder.SAVE_EVERY = 0.0
config = RunConfig.parse(yaml.safe_load(open(sys.argv[1])))
run(config, sys.argv[2], device="cpu", report=lambda progress: time.sleep(float(sys.argv[3])))
"""


def start(config_file, root, pause):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(config_file), str(root), str(pause)])


@pytest.mark.slow
def test_kill_9_at_any_moment_then_the_same_command_gives_the_same_bits(tmp_path):
    config = small(method="n_fgsm", epochs=12, data__augment="crop")
    config_file = tmp_path / "config.yaml"
    config_file.write_text(config.to_yaml())
    whole = run(config, tmp_path / "whole", device="cpu")

    folder = RunFolder.of(tmp_path / "parts", config)
    # After so many saves, so many seconds later: in mid-epoch, right after a save.
    for saves, later in ((2, 0.07), (4, 0.0)):
        process = start(config_file, tmp_path / "parts", 0.02)
        seen, last = 0, None
        while seen < saves:
            assert process.poll() is None, "the run ended before it could be killed"
            resume = folder.path / "resume.safetensors"
            stamp = resume.stat().st_mtime_ns if resume.exists() else None
            seen, last = seen + (stamp != last and stamp is not None), stamp
            time.sleep(0.002)
        time.sleep(later)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert folder.state == "running"
    assert start(config_file, tmp_path / "parts", 0).wait() == 0

    first, second = whole.checkpoint("last"), folder.checkpoint("last")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert folder.metrics().equals(whole.metrics())
    assert {**folder.result(), "seconds": 0} == {**whole.result(), "seconds": 0}
    assert not list(folder.path.rglob("*.tmp"))


LAUNCHER = """
import sys
import yaml
from cotoolkit.config import RunConfig
from cotoolkit.studies.launchers.launcher import launch
from cotoolkit.studies.launchers.local import LocalProcesses
if __name__ == "__main__":
    launch([RunConfig.parse(yaml.safe_load(open(sys.argv[1])))], sys.argv[2], LocalProcesses(1), device="cpu")
"""


@pytest.mark.slow
def test_workers_die_with_a_killed_launcher(tmp_path):
    config = small(epochs=2000)
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    words = [sys.executable, str(tmp_path / "launcher.py"), str(tmp_path / "config.yaml"), str(tmp_path)]
    process = subprocess.Popen(words)
    folder = RunFolder.of(tmp_path, config)
    deadline = time.monotonic() + 120
    while folder.state != "running":
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    while True:  # the worker holds the run's lock as long as it lives
        try:
            with folder.lock():
                break
        except RunInUse:
            assert time.monotonic() < deadline
            time.sleep(0.05)
