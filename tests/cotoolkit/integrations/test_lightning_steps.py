"""Steps of the optimisers of a Lightning module: each is an iteration, however many a batch has."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotoolkit.integrations.lightning import BreakpointCallback
from cotoolkit.methods import NFGSM
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.lightning_loops import OFTEN, Module, data, loader, trainer_of
from tests._helpers.networks import conv_net


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
