"""A user's script whose study trains elsewhere: it finds the user's modules there, ends when told to, and goes on."""

import contextlib
import signal
import subprocess
import sys
import time

import pytest
import yaml

from cotoolkit.core.errors import RunInUse
from cotoolkit.studies.study import find_study
from tests._helpers.launched import TINY

NET = """
import time
from pathlib import Path
from torch import nn

class Slow(nn.Sequential):
    def forward(self, images):
        if Path("SLOWLY").exists():  # as long as the study is to be cut off, on however fast a machine
            time.sleep(0.2)
        return super().forward(images)

def net(shape, classes):
    return Slow(nn.Flatten(), nn.Linear(64, classes))
"""

SCRIPT = (
    NET
    + """
if __name__ == "__main__":
    from cotoolkit.cli import main
    main()
"""
)


@contextlib.contextmanager
def heeding_ctrl_c():
    """A shell has what it starts in the background ignore SIGINT, this suite too, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start(tmp_path):
    """Starts the script, whose study has a model in the script and one in a file beside it."""
    (tmp_path / "code").mkdir()
    for name, text in {"script.py": SCRIPT, "beside.py": NET}.items():
        (tmp_path / "code" / name).write_text(text.replace("SLOWLY", str(tmp_path / "slowly")))
    study = {"name": "cut", "base": {**TINY, "epochs": 40}, "grids": [{"model": ["__main__:net", "beside:net"]}]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    words = ["study", "run", "--file", "study.yaml", "--jobs", "2", "--device", "cpu"]
    processes = []

    def call(*launcher):
        command = [sys.executable, "code/script.py", *words, *launcher]
        with heeding_ctrl_c():
            process = subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        processes.append(process)
        return process

    yield call
    for process in processes:
        process.kill()


def wait_until(happened, process):
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)


def under_way(root):
    """Whether a study's runs have both saved something to resume from."""
    return len(list(root.glob("*/resume.safetensors"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "number"),
    [(("--launcher", "ray"), signal.SIGTERM), (("--launcher", "slurm", "--slurm", "cluster=local"), signal.SIGINT)],
    ids=["ray", "slurm"],
)
def test_a_study_that_is_told_to_end_leaves_nothing_behind_and_goes_on(launcher, number, tmp_path, start):
    root, slowly = tmp_path / "runs", tmp_path / "slowly"
    slowly.touch()
    process = start(*launcher)
    wait_until(lambda: under_way(root), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "error: interrupted; the same command goes on from the last saved epoch" in err.splitlines()
    folders = find_study(root, "cut").folders(root)
    deadline = time.monotonic() + 20
    for folder in folders:
        assert folder.state == "running"
        while True:  # the lock of each run can be had when what trained it has ended
            try:
                with folder.lock():
                    break
            except RunInUse:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    slowly.unlink()
    process = start(*launcher)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert [folder.state for folder in folders] == ["done", "done"]
