"""From a run's folder to what it trained, and on what."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.config import RunConfig
from cotoolkit.data import ImageSet, apply_intervention, load
from cotoolkit.errors import ConfigError, RunError
from cotoolkit.models import build_model
from cotoolkit.models.registry import Shape
from cotoolkit.runs import Checkpoint, RunFolder
from interventions import InterventionError, InterventionLayer


class Points(NamedTuple):
    """Images as a run's model sees them, after its intervention.

    Attributes:
        images: (N, C, H, W) float32.
        labels: (N,) int64.
        natural: (N, C, H, W) float32 in [0, 1], the same images before the intervention.
        classes: number of classes.
    """

    images: Tensor
    labels: Tensor
    natural: Tensor
    classes: int


def network(config: RunConfig, shape: Shape, classes: int) -> nn.Module:
    """A run's network as it starts: on the CPU, with the seed's weights, with the input layer if there is one.

    Raises:
        ConfigError: the input layer does not fit the classes, or the model's fields are wrong.
        ModelError: the model cannot be built for images of this shape.
    """
    built = build_model(config.model, shape, classes, config.seed, normalise=config.statistics)
    if config.input_layer is None:
        return built
    try:
        layer = InterventionLayer(config.input_layer, classes)
    except InterventionError as error:
        raise ConfigError(f"input_layer: {error}") from None
    return nn.Sequential(OrderedDict(input_layer=layer, model=built))


def trained(folder: RunFolder, checkpoint: Checkpoint = "last", device: torch.device | str = "cpu") -> nn.Module:
    """A run's network with the weights of a checkpoint, in evaluation mode.

    Args:
        folder: of a run.
        checkpoint: its name, or a kept iteration (`RunConfig.keep`).
        device: where to put it.

    Raises:
        RunError: no such checkpoint, or weights that do not fit the run's configuration.
    """
    weights = folder.checkpoint(checkpoint)
    config = folder.config()
    test = load(config.data, config.seed).test
    model = network(config, test.shape, test.classes)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise RunError(f"{folder.checkpoint_path(checkpoint)}: does not fit the run's model: {reason}") from None
    return model.eval().to(device)


def training_images(config: RunConfig, points: int = 1000) -> Tensor:
    """The first training images as a run's model sees them, without augmentation, to estimate batch norm on.

    Shapes: (N, C, H, W) float32, N up to `points`.
    """
    train = load(config.data, config.seed).train
    few = train.pick(torch.arange(min(points, len(train))))
    return apply_intervention(few, config.intervention, config.seed, "cpu", train=False)[0]


def evaluation_points(config: RunConfig, points: int | None = None, device: torch.device | str = "cpu") -> Points:
    """The first images of a run's test set.

    The run's intervention is drawn for the whole test set, as in its own evaluation, so that a subset sees what the
    whole would.

    Args:
        config: of the run.
        points: how many; None means all.
        device: where to put them.
    """
    test: ImageSet = load(config.data, config.seed).test
    images, labels = apply_intervention(test, config.intervention, config.seed, device, train=False)
    natural, _ = apply_intervention(test, None, config.seed, device, train=False)
    return Points(images[:points], labels[:points], natural[:points], test.classes)
