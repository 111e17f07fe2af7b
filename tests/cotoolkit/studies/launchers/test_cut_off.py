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
    study = {"name": "cut", "base": {**TINY, "epochs": 80}, "grids": [{"model": ["__main__:net", "beside:net"]}]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    words = ["study", "run", "--file", "study.yaml", "--device", "cpu"]
    processes = []

    def call(jobs, *launcher):
        command = [sys.executable, "code/script.py", *words, "--jobs", str(jobs), *launcher]
        with heeding_ctrl_c():
            process = subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        processes.append(process)
        return process

    yield call
    for process in processes:
        process.kill()


def saved(root):
    """When each run last saved something to resume from."""
    return {path: path.stat().st_mtime_ns for path in root.glob("*/resume.safetensors")}


def wait_until_both_have_saved(process, root):
    before, deadline = saved(root), time.monotonic() + 120
    while len(saved(root).items() - before.items()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)


def let_go(folder, deadline):
    """Whether the lock of a run can be had: when what trained it has ended."""
    while time.monotonic() < deadline:
        with contextlib.suppress(RunInUse), folder.lock():
            return True
        time.sleep(0.1)
    return False


RAY, SLURM = ("--launcher", "ray"), ("--launcher", "slurm", "--slurm", "cluster=local")


@pytest.mark.slow
def test_a_study_that_is_told_to_end_leaves_nothing_behind_and_goes_on(tmp_path, start):
    root, slowly = tmp_path / "runs", tmp_path / "slowly"
    slowly.touch()
    for launcher, number in ((RAY, signal.SIGTERM), (SLURM, signal.SIGINT)):
        process = start(2, *launcher)
        wait_until_both_have_saved(process, root)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert "error: interrupted; the same command goes on from the last saved epoch" in err.splitlines()
        folders = find_study(root, "cut").folders(root)
        deadline = time.monotonic() + 20
        for folder in folders:
            assert folder.state == "running"
            assert let_go(folder, deadline)
    slowly.unlink()
    process = start(1, *SLURM)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert [folder.state for folder in folders] == ["done", "done"]
