"""Models, data and interventions that leave, raise or return nonsense: their run fails in one line, others finish."""

import contextlib
import os
import sys
import time
import warnings

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import CotoolkitError, RunError
from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.core.processes.worker import WorkerSetting, become_worker
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.tasks import Task
from cotoolkit.studies.study import Study
from cotoolkit.training.run import run
from tests._helpers.new_process import LOCAL, told
from tests._helpers.small import SMALL, small

HERE = "tests.cotoolkit.studies.test_other_peoples_code"


class Leaving(nn.Module):
    """Ends the process in the middle of training, whatever is asked to."""

    def __init__(self, leave):
        super().__init__()
        self.inner, self.leave, self.passes = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), leave, 0

    def forward(self, images):
        self.passes += 1
        if self.passes > 5:
            self.leave()
        return self.inner(images)


def exits(shape, classes):
    return Leaving(lambda: sys.exit(0))


def exits_with_a_word(shape, classes):
    return Leaving(lambda: sys.exit("so long"))


def interrupts(shape, classes):
    def leave():
        raise KeyboardInterrupt

    return Leaving(leave)


def exits_when_built(shape, classes):
    sys.exit(3)


def wait_forever():
    time.sleep(1e6)


def hangs(shape, classes):
    return Leaving(wait_forever)


def hangs_for_good(shape, classes):
    def sleep():
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(3600)

    return Leaving(sleep)


def prints(shape, classes):
    def say():
        for _ in range(1000):
            print("x" * 100)
        warnings.warn("as it happens", stacklevel=1)

    return Leaving(say)


class Detached(nn.Sequential):
    def forward(self, images):
        return super().forward(images).detach()


def detached(shape, classes):
    return Detached(nn.Flatten(), nn.Linear(64, 10))


def frozen(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).requires_grad_(False)


def without_parameters(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10))


def no_data(train):
    return None


def data_that_exit(train):
    sys.exit(0)


def nan_images(train):
    images = torch.rand(100, 1, 8, 8)
    images[3] = torch.nan
    return images, torch.arange(100) % 10


def nan_pixels(images, labels, beta):
    return images / 0


def nothing(images, labels, beta):
    return None


def leaving(images, labels, beta):
    sys.exit(0)


@pytest.mark.slow
def test_of_a_study_the_others_finish(tmp_path):
    names = ("exits", "exits_with_a_word", "interrupts")
    study = Study(name="leaving", base=SMALL, grids=({"model": (*(f"{HERE}:{name}" for name in names), "mlp")},))
    outcomes = {}
    table = study.run(
        tmp_path,
        jobs=1,
        device="cpu",
        on_outcome=lambda outcome: outcomes.update({outcome.config.identity: outcome}),
    )
    assert table["state"].tolist() == ["failed"] * 3 + ["done"]
    reasons = [folder.reason for folder in study.folders(tmp_path)[:3]]
    for reason, word in zip(reasons, ("SystemExit: 0", "SystemExit: so long", "KeyboardInterrupt"), strict=True):
        assert word in reason
        assert "Traceback" in reason
    lines = [outcomes[config.identity].reason.strip().splitlines()[-1] for config in study.runs()[:2]]
    assert all("its code left by sys.exit" in line for line in lines)


@pytest.mark.slow
def test_code_that_hangs_or_prints_without_end_costs_its_own_run_alone(tmp_path, capsys):
    names = ("hangs", "hangs_for_good", "prints")
    study = Study(name="stuck", base=SMALL, grids=({"model": (*(f"{HERE}:{name}" for name in names), "mlp")},))
    table = study.run(tmp_path, jobs=2, device="cpu", patience=8)
    assert table["state"].tolist() == ["failed", "failed", "done", "done"]
    hung, for_good, printed, quiet = study.folders(tmp_path)
    for folder, where in ((hung, "in wait_forever"), (for_good, "in sleep")):
        assert "no sign of life for 8 s, last in test_other_peoples_code.py" in folder.reason.splitlines()[-1]
        assert where in folder.reason
    kept = (printed.path / "output.log").read_text()
    assert "xxx" in kept
    assert len(kept) < 1_001_000
    assert not (quiet.path / "output.log").exists()
    said = capsys.readouterr()
    assert "xxx" not in said.out + said.err


class TrainedFromATerminal:
    """Trains a run in a new process, with a file for its terminal."""

    def __init__(self, task, terminal):
        self.setting, self.task, self.terminal = WorkerSetting.of_this_process(), task, terminal

    def __call__(self):
        become_worker(self.setting)
        for stream in (1, 2):
            os.dup2(os.open(self.terminal, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
        print("begun")
        print("begun", file=sys.stderr)
        end = self.task.train(lambda progress: None)
        sys.stdout.flush()
        return end.state


@pytest.mark.slow
def test_what_a_run_prints_is_not_shown(tmp_path):
    task = Task.of(small(model=f"{HERE}:prints"), tmp_path, "cpu")
    assert told(TrainedFromATerminal(task, tmp_path / "terminal")) == "done"
    assert (tmp_path / "terminal").read_text() == "begun\nbegun\n"
    assert "xxx" in (RunFolder(task.folder).path / "output.log").read_text()


ALONE = {
    "exits": ({"model": f"{HERE}:exits"}, r"its code left by sys\.exit\(0\)"),
    "exits when built": ({"model": f"{HERE}:exits_when_built"}, "exits_when_built failed: SystemExit: 3"),
    "detached": ({"model": f"{HERE}:detached"}, "returns logits without a gradient"),
    "frozen": ({"model": f"{HERE}:frozen"}, "has no parameters to train"),
    "without parameters": ({"model": f"{HERE}:without_parameters"}, "has no parameters to train"),
    "no data": ({"data": f"{HERE}:no_data"}, "NoneType"),
    "data that exit": ({"data": f"{HERE}:data_that_exit"}, r"data_that_exit\(train=True\) failed: SystemExit: 0"),
    "nan images": ({"data": f"{HERE}:nan_images"}, "nan"),
    "nan pixels": ({"intervention": {"name": f"{HERE}:nan_pixels", "beta": 0.1}}, "pixels that are nan or infinite"),
    "no images": ({"intervention": {"name": f"{HERE}:nothing", "beta": 0.1}}, "must return images"),
    "intervention that exits": (
        {"intervention": {"name": f"{HERE}:leaving", "beta": 0.1}},
        "leaving failed: SystemExit",
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_a_run_alone_fails_in_one_line(case, tmp_path):
    settings, message = ALONE[case]
    with pytest.raises(CotoolkitError, match=message) as caught:
        run(small(**settings), tmp_path, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_run_that_left_is_failed_and_keeps_its_traceback(tmp_path):
    config = small(model=f"{HERE}:exits")
    with pytest.raises(RunError):
        run(config, tmp_path, device="cpu")
    folder = RunFolder.of(tmp_path, config)
    assert folder.state == "failed"
    assert "in leave" in folder.reason or "in <lambda>" in folder.reason


def hold_a_while(path, ready):
    with RunFolder(path).lock():
        ready.send("ready")
        time.sleep(3)


@pytest.mark.slow
def test_a_study_waits_for_a_run_that_another_process_trains(tmp_path):
    study = Study(name="twice", base=SMALL, grids=({"seed": (0,)},))
    (config,) = study.runs()
    context = process_context(LOCAL)
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=hold_a_while, args=(RunFolder.of(tmp_path, config).path, mouth), daemon=True)
    process.start()
    assert ear.poll(120)
    assert study.run(tmp_path, jobs=1, device="cpu")["state"].tolist() == ["done"]
    process.join()


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "x" * 81, "a\nb", "a\0"]
)
def test_names_that_are_no_names(name):
    with pytest.raises(CotoolkitError, match="is no name"):
        Study(name=name)


def test_a_name_of_eighty_letters_is_one():
    assert Study(name="ü" * 80).name == "ü" * 80
