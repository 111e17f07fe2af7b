"""What a method remembers from step to step, in bytes, measured while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods.base import Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.models import build_model, parse_model

SHAPE, CLASSES = (3, 32, 32), 10
"""Of the images of CIFAR-10."""

SMALL = "small_cnn"
"""The network that is trained: what grows in the first steps is nothing of the network's size."""


class MethodMemory(NamedTuple):
    """What a method remembers.

    Attributes:
        bytes_per_image: for each training image.
        bytes_per_batch_image: for each image of a batch.
        bytes_besides: with the network.
        networks_besides: the same in units of the network's weights and buffers.
    """

    bytes_per_image: int
    bytes_per_batch_image: int
    bytes_besides: int
    networks_besides: float


def method_memory(method: Method, network: str) -> MethodMemory:
    """Measure it: two numbers of training images and two of images of a batch tell them apart.

    Args:
        method: to train with, for some steps on random images of the shape of CIFAR-10's.
        network: for which the rest is told.

    Returns:
        The memory.
    """
    of_network = build_model(parse_model(network), SHAPE, CLASSES, 0)
    few, more, larger = (_after_steps(method, images, size) for images, size in ((100, 8), (200, 8), (100, 16)))
    per_image, per_batch_image = (more - few) // 100, (larger - few) // 8
    grown = few - _bytes(_first_memory(method, _small(), 100))
    besides = _bytes(_first_memory(method, of_network, 100)) + grown - 100 * per_image - 8 * per_batch_image
    networks = round(besides / _bytes(of_network.state_dict()), 2)
    return MethodMemory(per_image, per_batch_image, besides, networks)


def _after_steps(method: Method, images: int, size: int) -> int:
    """Bytes after two epochs of one step each, on a training set and batches of that many images."""
    model, draws = _small(), torch.Generator().manual_seed(0)
    memory = _first_memory(method, model, images)
    for iteration in range(2):
        pixels = torch.rand(size, *SHAPE, generator=draws, dtype=torch.float32)
        batch = Batch(
            pixels,
            torch.arange(size) % CLASSES,
            ThreatModel(8 / 255),
            draws,
            progress=iteration / 2,
            indices=torch.arange(size),
            memory=memory,
            iteration=iteration,
            classes=CLASSES,
        )
        method.step(model, batch, lambda loss: loss.backward())
    return _bytes(memory)


def _first_memory(method: Method, model: nn.Module, images: int) -> dict[str, Tensor]:
    return method.memory(model, TrainingSet(images, SHAPE, CLASSES), torch.Generator().manual_seed(0))


def _small() -> nn.Module:
    return build_model(parse_model(SMALL), SHAPE, CLASSES, 0)


def _bytes(tensors: Mapping[str, Any]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
