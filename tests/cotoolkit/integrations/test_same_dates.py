"""The engine, a plain loop and Lightning watch the same training, and say the same of it."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from cotoolkit import BreakpointMonitor
from cotoolkit.config import RunConfig
from cotoolkit.integrations.lightning import BreakpointCallback
from cotoolkit.monitor.actions import stop
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.core import TrainerCore
from cotoolkit.training.trainer import Trainer
from tests._helpers.breaking import BREAKING
from tests._helpers.lightning_loops import trainer_of

CONFIG = RunConfig.parse({**BREAKING, "data": {"name": "digits", "train_size": 1024}, "epochs": 20, "evaluation": []})
"""Epochs of 16 iterations, so that all read signals at the same ones."""


class BrokenError(Exception):
    """A breakpoint was told: the rest of the training is of no interest."""


def watched_by_the_engine(folder):
    trainer, run_folder = Trainer(CONFIG, device="cpu"), RunFolder.of(folder, CONFIG)
    run_folder.create(CONFIG)

    def until_broken(progress):
        if trainer.monitor.broken:
            raise BrokenError

    with pytest.raises(BrokenError):
        trainer.fit(run_folder, until_broken)
    return trainer.monitor


def options(core):
    """Of a monitor of the engine's network on the engine's points."""
    points = core.probe.images, core.probe.labels
    return points, {"epsilon": CONFIG.epsilon, "box": CONFIG.box, "config": CONFIG.monitor, "snapshot_every": 1}


def watched_by_a_loop():
    core = TrainerCore(CONFIG, device="cpu")
    points, settings = options(core)
    monitor = BreakpointMonitor(core.module, points, **settings)
    monitor.watched._probe = core.probe  # the very same random starts
    while not monitor.broken and core.iteration < core.total:
        record, labels = core.step(trace=monitor.trace)
        monitor.step(record, labels=labels)
    return monitor


class EngineModule(pl.LightningModule):
    """Whose steps are the engine's; its own optimiser changes nothing."""

    def __init__(self, core):
        super().__init__()
        self.core, self.net = [core], core.module  # the list keeps Lightning from looking into it
        self.automatic_optimization = False
        self.trace = True

    def training_step(self, batch, index):
        record, labels = self.core[0].step(trace=(self.core[0].iteration + 1) % CONFIG.monitor.trace_every == 0)
        self.zero_grad()
        self.optimizers().step()
        found = {"losses": record.losses, "labels": labels, "start_losses": record.attack.losses, "attack_scale": 1.0}
        found |= {"attack_gradient": record.attack.gradient, "logits": record.logits}
        if record.update_gradient is not None:
            found |= {"update_gradient": record.update_gradient, "update_scale": 1.0}
        return {"loss": record.losses.mean(), **found}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def watched_by_lightning():
    core = TrainerCore(CONFIG, device="cpu")
    points, settings = options(core)
    callback = BreakpointCallback(points, network="net", on={"breakpoint": stop}, **settings)

    class SameStarts(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            callback.monitor.watched._probe = core.probe

    trainer = trainer_of(callback, max_epochs=1)
    trainer.callbacks.append(SameStarts())
    trainer.fit(EngineModule(core), DataLoader(torch.zeros(core.total, 1)))
    return callback.monitor


@pytest.mark.slow
def test_engine_loop_and_lightning_give_the_same_dates(tmp_path):
    engine, loop, lightning = watched_by_the_engine(tmp_path), watched_by_a_loop(), watched_by_lightning()
    assert [str(event) for event in lightning.events] == [str(event) for event in loop.events]
    for monitor in (loop, lightning):
        assert [event.kind for event in monitor.events] == [event.kind for event in engine.events]
        assert [event.detected for event in monitor.events] == [event.detected for event in engine.events]
        assert monitor.criterion.state() == {**engine.criterion.state(), "broken_at": monitor.criterion.broken_at}
        # The engine looks at iterations, a loop at copies of its weights: where robustness comes and goes before it is
        # lost for good, each may see another of the crossings.
        (one, last), (other, other_last) = (
            (told.earliest, told.sustained or told.iteration) for told in (engine.breakpoint, monitor.breakpoint)
        )
        assert max(one, other) <= min(last, other_last)
