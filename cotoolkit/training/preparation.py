"""What is made ready before the first step: the network, the method's memory, and the probes."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cotoolkit.config import RunConfig
from cotoolkit.core.device import device_of
from cotoolkit.core.distributed import broadcast_from_rank0, rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import generator
from cotoolkit.data import Batches, ImageSet, apply_intervention
from cotoolkit.evaluation.probe import Probe
from cotoolkit.methods import Method, TrainingSet
from cotoolkit.models import OwnModel
from cotoolkit.models.memory_format import (
    channels_last_warning,
    gradient_mismatch,
    safe_memory_format,
    worth_checking,
)
from cotoolkit.training.snapshot import copied_tensors

log = logging.getLogger(__name__)


class InBfloat16(nn.Module):
    """A network whose passes run in bfloat16 where that is safe, from float32 images to float32 logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch."""
        with torch.autocast(images.device.type, torch.bfloat16):
            logits: Tensor = self.network(images)
        return logits.float()


def as_trained(module: nn.Module, precision: str) -> nn.Module:
    """The network whose passes training takes.

    Args:
        module: on its device, in its memory format.
        precision: of the configuration.

    Returns:
        The module itself, or wrapped for several processes or for bfloat16.
    """
    shared = module
    if rank_and_world()[1] > 1:
        device = device_of(module)
        shared = DistributedDataParallel(module, [device] if device.type == "cuda" else None)
    return shared if precision == "32" else InBfloat16(shared)


def first_memory(
    config: RunConfig, method: Method, module: nn.Module, data: ImageSet, position: int = 0
) -> dict[str, Tensor]:
    """What a method remembers before its first step.

    Args:
        config: of the run.
        method: that of the run, or of its remedy.
        module: on its device.
        data: that is trained on.
        position: of the random beginnings: how many methods there were before.

    Returns:
        Copies by name, on the module's device.

    Raises:
        ConfigError: it remembers something, and several processes would each remember something else.
    """
    facts = TrainingSet(len(data), data.shape, data.classes)
    memory = method.memory(module, facts, generator(config.seed, "memory", position))
    if memory and rank_and_world()[1] > 1:
        raise ConfigError(f"method {method.name} remembers what it saw from step to step; use one process")
    return copied_tensors(memory, device_of(module))


def settle_memory_format(module: nn.Module, config: RunConfig, batches: Batches) -> torch.memory_format:
    """Put a network into its memory format, checked on the first batch; what is doubtful is logged.

    A user's own network stays as it came; its images are contiguous, because its forward may call view().

    Args:
        module: on its device.
        config: of the run.
        batches: of the run.

    Returns:
        The memory format that images are to have.
    """
    own, images_in = isinstance(config.model, OwnModel), torch.contiguous_format
    if not own:
        images_in = safe_memory_format(module)
        module.to(memory_format=images_in)
    doubt = channels_last_warning(module)
    if doubt is None and config.precision == "32" and worth_checking(module, own):
        images, labels, *_ = batches.batch(0)
        images = images.contiguous(memory_format=images_in)
        doubt = broadcast_from_rank0(gradient_mismatch(module, images, labels))
        if doubt and own:
            doubt += "; use model.to(memory_format=torch.contiguous_format)"
        elif doubt:
            images_in = torch.contiguous_format
            module.to(memory_format=images_in)
            doubt += "; it is trained in the contiguous format"
    if doubt:
        log.warning("%s", doubt)
    return images_in


def probe_of(config: RunConfig, data: ImageSet, device: torch.device) -> Probe:
    """The probe of a run on points of a set, the same in every process and however the run got there.

    Args:
        config: of the run.
        data: from which its points are chosen.
        device: of the run.

    Returns:
        The probe.
    """
    points = probe_points(config, data, config.monitor.points_for(data.classes), device)
    return Probe(*points, config.threat, config.monitor.steps, config.seed)


def probe_points(config: RunConfig, data: ImageSet, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Points of a set to measure on while a run trains; fewer points are the first of more.

    Args:
        config: of the run.
        data: from which they are chosen.
        count: of points, if there are so many.
        device: of the run.

    Returns:
        Images and labels, with the run's intervention and without augmentation.
    """
    chosen = torch.randperm(len(data), generator=generator(config.seed, "probe", 1), device="cpu")[:count]
    return apply_intervention(data.pick(chosen), config.intervention, config.seed, device, train=False)
