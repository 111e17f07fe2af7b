"""One step of a training method on the small networks: the batch, the update, and both together."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import Batch, Method, StepRecord, TrainingSet, Update
from tests._helpers.networks import conv_net


def batch(
    threat: ThreatModel | None = None,
    *,
    size: int = 6,
    seed: int = 0,
    trace: bool = True,
    progress: float = 0.0,
    indices: Tensor | None = None,
) -> Batch:
    """A random batch of (size, 1, 6, 6) images of four classes; the attack's generator has the same seed."""
    draws = torch.Generator().manual_seed(seed)
    images, labels = (
        torch.rand(size, 1, 6, 6, generator=draws, dtype=torch.float32),
        torch.randint(4, (size,), generator=draws),
    )
    generator = torch.Generator().manual_seed(seed)
    threat = threat or ThreatModel("16/255")
    return Batch(images, labels, threat, generator, trace, progress, indices, classes=4)


def remembering(method: Method, model: nn.Module, given: Batch, *, images: int = 20) -> Batch:
    """The batch with the method's memory at its start, of a training set whose first images the batch holds."""
    data = TrainingSet(images, tuple(given.images.shape[1:]), 4)
    memory = method.memory(model, data, torch.Generator().manual_seed(1))
    indices = torch.arange(len(given.images)) if given.indices is None else given.indices
    return dataclasses.replace(given, memory=memory, indices=indices)


def with_bank_of_zeros(given: Batch) -> Batch:
    """The batch with a bank "delta" in its memory that is drawn already, and holds nothing; of single-channel 6 x 6."""
    rows = len(given.memory["delta"])
    return dataclasses.replace(given, memory={**given.memory, "delta": torch.zeros(rows, 1, 6, 6)})


def sgd(model: nn.Module, rate: float = 0.1) -> Update:
    """The update that a method's step calls with its loss: one step of plain SGD."""
    optimizer = torch.optim.SGD(model.parameters(), rate)

    def update(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return update


def stepped(method: Method, given: Batch, *, norm: bool = True) -> tuple[nn.Sequential, StepRecord]:
    """A fresh `conv_net` after one step of `method`, and the step's record."""
    model = conv_net(norm=norm)
    if not given.memory:
        given = remembering(method, model, given)
    record = method.step(model, given, sgd(model))
    return model, record
