"""Studies for tests of launchers: tiny runs, and models that do not behave."""

import os
import signal
import sys

import torch
from torch import nn

from cotoolkit.studies.study import Study
from tests._helpers.small import SMALL

HERE = "tests._helpers.launched"

TINY = {**SMALL, "model": {"name": "mlp", "hidden": (8,)}, "epochs": 2}


def tiny_study(runs=3, **settings):
    """Runs of a second that differ in their seeds."""
    return Study(name="tiny", base={**TINY, **settings}, grids=({"seed": tuple(range(runs))},))


def failing_study():
    """A good run, one whose model cannot be built, one whose model leaves the process."""
    models = ({"name": "mlp", "hidden": (8,)}, f"{HERE}:exploding", f"{HERE}:leaving")
    return Study(name="failing", base=TINY, grids=({"model": models},))


def exploding(shape, classes):
    raise ValueError("no such luck")


def leaving(shape, classes):
    sys.exit(0)


def dying(shape, classes):
    os.kill(os.getpid(), signal.SIGKILL)


class Slow(nn.Sequential):
    """Takes its time, so that a process can be killed meanwhile."""

    def forward(self, images):
        import time

        time.sleep(0.01)
        return super().forward(images)


def slow(shape, classes):
    torch.manual_seed(0)
    return Slow(nn.Flatten(), nn.Linear(64, classes))


def telling(shape, classes):
    """Fails, and says in which surroundings."""
    raise ValueError(f"threads {torch.get_num_threads()} gpu {os.environ.get('CUDA_VISIBLE_DEVICES')}")


def same_but_for_time(table):
    """A study's table without what differs between two trainings of the same runs."""
    return table.drop(columns=["seconds"])


def stamps(study, root):
    """When the results of a study's runs were written."""
    return {folder.path.name: (folder.path / "result.json").stat().st_mtime_ns for folder in study.folders(root)}
