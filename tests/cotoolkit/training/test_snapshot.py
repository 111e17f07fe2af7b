"""Snapshots: training goes on from one as if nothing had been, which dates breakpoints to the iteration."""

import pytest
import torch

from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.methods import METHODS
from cotoolkit.training.snapshot import Snapshot
from cotoolkit.training.trainer import Trainer
from tests._helpers.small import small


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", {"name": "sgd", "nesterov": True}])
def test_replays_are_exact_under_every_optimiser(optimizer):
    assert_replays_exactly(small(method="n_fgsm", optimizer=optimizer, learning_rate=0.01, data__train_size=130))


@pytest.mark.parametrize("method", METHODS.names())
def test_replays_are_exact(method):
    # What the monitor relies on: restore and advance lead to the very same weights, BatchNorm and momentum.
    model = {"name": "wide_resnet", "depth": 10, "width": 1}
    config = small(
        method=method, epsilon="8/255", model=model, data__augment="crop", data__train_size=34, batch_size=16,
        monitor__points=12,
    )  # fmt: skip
    assert_replays_exactly(config)


def assert_replays_exactly(config):
    trainer = Trainer(config, device="cpu")
    with fork_global_rng(0, "layers"):
        trainer.advance(1)
        start = trainer.snapshot()
        for _ in range(3):
            trainer.step(trace=True)
        end = trainer.snapshot()
        trainer.restore(start)
        trainer.measure()
        trainer.advance(3)  # without a trace, which moves nothing either
    again = trainer.snapshot()
    assert again.iteration == end.iteration == 4
    assert same(again.model, end.model)
    assert same(again.optimizer, end.optimizer)
    assert same(again.memory, end.memory)
    assert not same(start.model, end.model)


def test_snapshots_survive_their_flat_form():
    trainer = Trainer(small(), device="cpu")
    assert trainer.snapshot().optimizer == {}
    trainer.advance(1)
    snapshot = trainer.snapshot()
    again = Snapshot.from_tensors(1, {**snapshot.tensors("x/"), "other": torch.ones(1)}, "x/")
    assert same(again.model, snapshot.model)
    assert same(again.optimizer, snapshot.optimizer)
