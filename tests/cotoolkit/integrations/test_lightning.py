import sys

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit.core.errors import ConfigError
from cotoolkit.integrations.lightning import BreakpointCallback
from cotoolkit.methods import NFGSM
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.networks import conv_net

OFTEN = MonitorConfig(interval=2, points=12, steps=2, trace_every=1)


def module_of(package=pl):
    class Module(package.LightningModule):
        """FGSM; returns everything, or the loss alone."""

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
            return {
                "loss": losses.mean(),
                "losses": losses,
                "logits": logits,
                "labels": labels,
                "more": 1,
                **by_products,
            }

        def validation_step(self, batch, index):
            self.log("accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    return Module


Module = module_of()


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


def trainer_of(callback, package=pl, **options):
    quiet = {"logger": False, "enable_model_summary": False, "enable_progress_bar": False, "accelerator": "cpu"}
    return package.Trainer(callbacks=[callback], enable_checkpointing=False, **quiet, **options)


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


class Manual(Module):
    """Several updates a batch; each moves a clock by one, which probes read."""

    def __init__(self, updates=3, optimisers=1):
        super().__init__()
        self.automatic_optimization = False
        self.updates, self.optimisers = updates, optimisers
        self.other = nn.Linear(2, 2)

    def training_step(self, batch, index):
        losses = []
        for update in range(self.updates):
            optimizers = self.optimizers()
            optimizer = optimizers[update % self.optimisers] if self.optimisers > 1 else optimizers
            losses.append(F.cross_entropy(self.net(batch[0]), batch[1], reduction="none"))
            loss = losses[-1].mean() + self.other.weight.square().sum()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return {"loss": loss, "losses": losses[-1]}

    def configure_optimizers(self):
        if self.optimisers == 1:
            return torch.optim.SGD(self.net.parameters(), lr=0.01)
        return [torch.optim.SGD(part.parameters(), lr=0.01) for part in (self.other, self.net)]


@pytest.mark.parametrize(("updates", "optimisers"), [(1, 1), (3, 1), (2, 2), (4, 2)])
def test_every_step_of_an_optimiser_is_an_iteration(updates, optimisers):
    seen = {}

    class Noting(BreakpointCallback):
        def on_train_start(self, trainer, pl_module):
            super().on_train_start(trainer, pl_module)
            measure = self.monitor._measure
            self.monitor._measure = lambda *given, **named: note() or measure(*given, **named)

            def note():
                seen[self.monitor.iteration] = {n: v.clone() for n, v in pl_module.net.named_parameters()}

    every = MonitorConfig(interval=1, points=12, steps=1)
    callback = Noting(data(), network="net", epsilon=0.1, config=every)
    trainer = trainer_of(callback, max_epochs=1, limit_train_batches=4)
    module = Manual(updates, optimisers)
    trainer.fit(module, loader())
    assert callback.monitor.iteration == trainer.global_step == 4 * updates
    assert callback.monitor.optimizer is trainer.optimizers[-1]  # that of the network
    assert list(seen) == list(range(1, 4 * updates + 1))
    trained_again = Manual(updates, optimisers)
    weights = {}
    optimizers = trained_again.configure_optimizers()
    optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
    for batch, _ in zip(loader(), range(4), strict=False):
        for update in range(updates):
            optimizer = optimizers[update % optimisers]
            optimizer.zero_grad()
            F.cross_entropy(trained_again.net(batch[0]), batch[1]).backward()
            trained_again.other.weight.square().sum().backward()
            optimizer.step()
            weights[len(weights) + 1] = {n: v.clone() for n, v in trained_again.net.named_parameters()}
    for iteration, found in seen.items():  # what was probed are the weights after just so many steps
        assert all(torch.allclose(value, weights[iteration][name]) for name, value in found.items()), iteration


def test_a_step_that_calls_its_parent_class_counts_once():
    class Ours(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    class Own(Module):
        def configure_optimizers(self):
            torch.optim.SGD(self.parameters(), lr=1e-6)  # from then on torch calls hooks for the parent's step as well
            return Ours(self.parameters(), lr=1e-6)

    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    trainer = trainer_of(callback, max_epochs=1)
    trainer.fit(Own(), loader())
    assert callback.monitor.iteration == trainer.global_step == 6


def test_a_step_that_a_gradient_scaler_skips_is_no_iteration():
    class Skipping(Manual):
        def training_step(self, batch, index):
            optimizer = self.optimizers(use_pl_optimizer=False)
            scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
            loss = self.net(batch[0]).square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            if index % 2:
                self.net[0].weight.grad.fill_(torch.inf)
            scaler.step(optimizer)
            scaler.update()
            return {"loss": loss}

    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    trainer_of(callback, max_epochs=1).fit(Skipping(), loader())
    assert callback.monitor.iteration == 3  # of 6


def test_actions_wait_for_the_end_of_the_batch():
    done = []
    on = {"failure": lambda monitor, event: done.append((event.iteration, monitor.iteration))}
    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN, on=on)

    class Failing(Manual):
        def on_train_start(self):
            def fail(*given, **named):
                raise RuntimeError("out of memory")

            callback.monitor._measure = fail

    trainer_of(callback, max_epochs=1, limit_train_batches=2).fit(Failing(3), loader())
    assert done == [(2, 2)]  # told at the second of three updates, done before the third is read
    assert callback.monitor.iteration == 6


def test_a_network_that_no_optimiser_trains_has_none_to_roll_back():
    class Frozen(Module):
        def __init__(self):
            super().__init__()
            self.teacher = conv_net().requires_grad_(False)

        def configure_optimizers(self):
            return torch.optim.SGD(self.net.parameters(), lr=1e-6)

    callback = BreakpointCallback(data(), network="teacher", epsilon=0.1, config=OFTEN, method=NFGSM())
    trainer_of(callback, max_epochs=1).fit(Frozen(), loader())
    assert callback.monitor.optimizer is None


def test_hooks_are_gone_after_the_fit():
    callback = BreakpointCallback(data(), network="net", epsilon=0.1, config=OFTEN)
    trainer = trainer_of(callback, max_epochs=1)
    trainer.fit(Module(), loader())
    (optimizer,) = trainer.optimizers
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_the_scale_of_a_gradient_scaler_comes_off():
    from pytorch_lightning.plugins.precision import MixedPrecision

    recorder = Recorder()
    callback = BreakpointCallback(
        data(), network="net", epsilon=0.1, box="none", config=OFTEN, loggers=recorder, log_every=1
    )
    half = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))
    trainer = trainer_of(callback, max_epochs=1, plugins=[half])
    trainer.fit(Module(), loader())
    assert callback.monitor.iteration == trainer.global_step == 6
    assert recorder.rows[2]["cotoolkit/linearity"] == pytest.approx(1, abs=0.25)
    assert callback.monitor.events == []
