import sys

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit.core.errors import ConfigError
from cotoolkit.integrations.lightning import BreakpointCallback
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.networks import conv_net

OFTEN = MonitorConfig(interval=2, points=12, steps=2, trace_every=1)


class Module(pl.LightningModule):
    """Keeps what it returned last, to compare."""

    def __init__(self, returned="everything"):
        super().__init__()
        self.net = conv_net()
        self.returned = returned

    def training_step(self, batch, index):
        images, labels = batch
        clean = images.clone().requires_grad_()
        start_losses = F.cross_entropy(self.net(clean), labels, reduction="none")
        (gradient,) = torch.autograd.grad(start_losses.mean(), clean)
        adversarial = (images + 0.1 * gradient.sign()).requires_grad_()
        logits = self.net(adversarial)
        losses = F.cross_entropy(logits, labels, reduction="none")
        if self.returned == "loss":
            return losses.mean() * 0 + 2
        by_products = {"start_losses": start_losses, "attack_gradient": gradient, "adversarial": adversarial}
        return {"loss": losses.mean(), "losses": losses, "logits": logits, "labels": labels, "more": 1, **by_products}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-6)


class Recorder:
    def __init__(self):
        self.rows = {}

    def log_metrics(self, metrics, step=None):
        self.rows.setdefault(step, {}).update(metrics)


def data():
    draws = torch.Generator().manual_seed(0)
    return torch.rand(48, 1, 6, 6, generator=draws), torch.arange(48) % 4


def loader():
    return DataLoader(TensorDataset(*data()), batch_size=8)


def trainer_of(callback, **options):
    quiet = {"logger": False, "enable_model_summary": False, "enable_progress_bar": False, "accelerator": "cpu"}
    return pl.Trainer(callbacks=[callback], enable_checkpointing=False, **quiet, **options)


@pytest.mark.parametrize("accumulated", [1, 2])
def test_iterations_are_updates_and_gradients_have_one_scale(accumulated):
    recorder = Recorder()
    callback = BreakpointCallback(
        data(), network="net", epsilon=0.1, box="none", config=OFTEN, loggers=[recorder], log_every=1
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


def test_without_lightning_one_line_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "cotoolkit.integrations.lightning")
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)
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
