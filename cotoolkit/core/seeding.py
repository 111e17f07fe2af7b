"""Every random number is a function of (seed, label, position), so nothing random has to be saved to resume a run.

The labels name the independent sources of randomness. A generator made for one position (an epoch, an iteration) gives
the same numbers whether the run went there directly, resumed, or was replayed by the monitor.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator
from numbers import Integral
from typing import Literal, get_args

import torch
from torch import nn

from cotoolkit.core.errors import ConfigError

Label = Literal[
    "init",  # weights of the model
    "split",  # which training images are held out
    "subset",  # which of the rest a run of an estimate of memorisation sees
    "intervention",  # label noise, permutations, partner images
    "order",  # the order of the images in an epoch
    "augmentation",  # crops and flips of an epoch
    "attack",  # random starts of the training attack
    "memory",  # random beginnings of what a method remembers
    "layers",  # random layers of the model, such as dropout
    "probe",  # the monitor's fixed points and random starts
    "evaluation",  # random starts of the final evaluation
    "diagnosis",  # points, random starts and directions of a diagnosis
]


def derive(seed: int, label: Label, position: int = 0) -> int:
    """A 63-bit seed for one source of randomness at one position; unrelated for different arguments.

    >>> derive(0, "order", 3) == derive(0, "order", 3), derive(0, "order", 3) == derive(0, "attack", 3)
    (True, False)

    Args:
        seed: the run's.
        label: of the source.
        position: an epoch or iteration, or 0.

    Returns:
        The seed, at least 0.

    Raises:
        ValueError: no such source.
        ConfigError: the seed is no whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise ConfigError(f"seed is {seed!r}; give a whole number, the same one for the same random numbers")
    if label not in get_args(Label):
        raise ValueError(f"unknown source of randomness {label!r}; choose from {', '.join(get_args(Label))}")
    digest = hashlib.blake2b(f"{seed}/{label}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, label: Label, position: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on `device` for one source of randomness at one position.

    Args:
        seed: the run's.
        label: of the source.
        position: an epoch or iteration, or 0.
        device: of the generator; another one gives other numbers.

    Returns:
        The generator, seeded with `derive`.
    """
    return torch.Generator(device=device).manual_seed(derive(seed, label, position))


def seed_layers(seed: int) -> None:
    """Seed torch's global generators, which random layers draw from; to be called inside `fork_global_rng`.

    Like `torch.manual_seed`, without the millisecond that function spends on compiler hooks.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@contextlib.contextmanager
def fork_every_global_rng(seed: int, label: Label, position: int = 0) -> Iterator[None]:
    """As `fork_global_rng`, and the global generators of numpy and Python, for code of other libraries.

    Args:
        seed: the run's.
        label: of the source.
        position: an epoch, an iteration or the number of a point, or 0.

    Yields:
        Nothing.
    """
    import numpy as np

    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002
    number = derive(seed, label, position)
    np.random.seed(number % 2**32)  # noqa: NPY002
    random.seed(number)
    try:
        with fork_global_rng(seed, label, position):
            yield
    finally:
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


@contextlib.contextmanager
def fork_global_rng(seed: int, label: Label, position: int = 0) -> Iterator[None]:
    """Seed torch's global generators inside the block and give them back untouched after it.

    For code that can only draw from the global generators: the initialisers of layers, dropout.

    Args:
        seed: the run's.
        label: of the source.
        position: an epoch, an iteration or the number of a point, or 0.

    Yields:
        Nothing.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        seed_layers(derive(seed, label, position))
        yield


@contextlib.contextmanager
def fork_generators_of(network: nn.Module) -> Iterator[None]:
    """Give the random generators that modules have as attributes back as they were before the block.

    Args:
        network: whose modules they are.

    Yields:
        Nothing.
    """
    members = (one for module in network.modules() for one in vars(module).values())
    states = {one: one.get_state() for one in members if isinstance(one, torch.Generator)}
    try:
        yield
    finally:
        for own, state in states.items():
            own.set_state(state)
