"""The monitor as a callback of Lightning: of either package, at every precision, through checkpoints."""

import sys

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from cotoolkit.core.errors import ConfigError
from cotoolkit.integrations.lightning import BreakpointCallback
from tests._helpers.lightning_loops import OFTEN, Module, Recorder, data, loader, module_of, trainer_of


@pytest.mark.parametrize("accumulated", [1, 2])
def test_iterations_are_updates_and_gradients_have_one_scale(accumulated):
    recorder = Recorder()
    callback = BreakpointCallback(
        data(), network="net", epsilon=0.1, box="none", config=OFTEN, loggers=[recorder], log_every=1, all_signals=True
    )
    trainer = trainer_of(callback, max_epochs=2, accumulate_grad_batches=accumulated)
    trainer.fit(Module(), loader())
    assert callback.monitor.iteration == trainer.global_step == 12 // accumulated
    assert callback.monitor.last_probe is not None
    rows = recorder.rows
    assert all("cotoolkit/probe_pgd" in rows[step] for step in range(2, trainer.global_step + 1, 2))
    # Nothing trains at this rate: the network is nearly linear in so small a ball, if both gradients have one scale.
    assert rows[2]["cotoolkit/pert_align"] > 0.8
    assert rows[2]["cotoolkit/linearity"] == pytest.approx(1, abs=0.25)
    assert rows[2]["cotoolkit/train_loss"] == pytest.approx(1.5, abs=0.8)
    assert "probe_pgd" in trainer.callback_metrics


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_bare_loss_is_enough(accumulated):
    recorder = Recorder()
    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN, loggers=[recorder], log_every=1)
    trainer_of(callback, max_epochs=1, accumulate_grad_batches=accumulated).fit(Module("loss"), loader())
    assert recorder.rows[2]["cotoolkit/train_loss"] == pytest.approx(2)


def test_an_action_stops_the_trainer():
    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    trainer = trainer_of(callback, max_epochs=5)

    class StopAtThree(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if callback.monitor.iteration == 3:
                callback.monitor.should_stop = True

    trainer.callbacks.insert(0, StopAtThree())
    trainer.fit(Module(), loader())
    assert trainer.global_step == 4


def test_a_resumed_fit_goes_on(tmp_path):
    module = Module()
    first = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    trainer = trainer_of(first, max_epochs=1)
    trainer.fit(module, loader())
    trainer.save_checkpoint(tmp_path / "checkpoint.ckpt")
    second = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    resumed = trainer_of(second, max_epochs=2)
    resumed.fit(Module(), loader(), ckpt_path=tmp_path / "checkpoint.ckpt")
    assert first.monitor.iteration == 6
    assert second.monitor.iteration == resumed.global_step == 12
    assert second.monitor.criterion.best_iteration >= first.monitor.criterion.best_iteration > 0
    trainer_of(second, max_epochs=1).fit(Module(), loader())  # another training, from the start
    assert second.monitor.iteration == 6


def test_a_module_without_that_network_is_refused():
    with pytest.raises(ConfigError, match="Module has no network under the name 'nets'"):
        trainer_of(BreakpointCallback(data(), network="nets", epsilon=0.1), max_epochs=1).fit(Module(), loader())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing a required argument: 'epsilon'"),
        ({"epsilon": 0.1, "epsilom": 0.1}, "unexpected keyword argument 'epsilom'"),
        ({"epsilon": 0.1, "network": nn.Linear(2, 2)}, "the name of an attribute of the module, not a Linear"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options, message):
    with pytest.raises(ConfigError, match=message):
        BreakpointCallback((torch.rand(8, 1, 6, 6), torch.arange(8) % 4), **options)


def test_without_lightning_one_line_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "cotoolkit.integrations.lightning")
    for package in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'cotoolkit\[lightning\]'"):
        __import__("cotoolkit.integrations.lightning")


def test_the_module_itself_may_be_the_network():
    class Itself(Module):
        def forward(self, images):
            return self.net(images)

    callback = BreakpointCallback(data(), epsilon=0.1, config=OFTEN)
    trainer_of(callback, max_epochs=1).fit(Itself(), loader())
    assert isinstance(callback.monitor.network, nn.Module)
    assert callback.monitor.last_probe is not None


@pytest.mark.parametrize("name", ["pytorch_lightning", "lightning.pytorch"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "64-true"])
def test_both_packages_and_every_precision(name, precision):
    package = pytest.importorskip(name)
    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    trainer = trainer_of(
        callback, package, max_epochs=2, precision=precision, gradient_clip_val=0.1, limit_train_batches=3
    )
    trainer.fit(module_of(package)(), loader(), loader())  # with a sanity check, and validation in inference mode
    assert callback.monitor.iteration == trainer.global_step == 6
    assert callback.monitor.last_probe.points == 12
    assert callback.monitor.failures.counts == {}


def test_the_scale_of_a_gradient_scaler_comes_off():
    from pytorch_lightning.plugins.precision import MixedPrecision

    recorder = Recorder()
    callback = BreakpointCallback(
        data(), network="net", epsilon=0.1, box="none", config=OFTEN, loggers=recorder, log_every=1, all_signals=True
    )
    half = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))
    trainer = trainer_of(callback, max_epochs=1, plugins=[half])
    trainer.fit(Module(), loader())
    assert callback.monitor.iteration == trainer.global_step == 6
    assert recorder.rows[2]["cotoolkit/linearity"] == pytest.approx(1, abs=0.25)
    assert callback.monitor.events == []
