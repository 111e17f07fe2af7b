"""From a run's folder to what it trained, and on what."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.user_code import describe
from cotoolkit.data import ImageSet, apply_intervention, load
from cotoolkit.data.points import Points
from cotoolkit.models import build_model
from cotoolkit.models.registry import Shape
from cotoolkit.runs.find import checkpoint_of, find_run
from cotoolkit.runs.folder import Checkpoint, RunFolder
from interventions import InterventionError, InterventionLayer


def network(config: RunConfig, shape: Shape, classes: int) -> nn.Module:
    """A run's network as it starts: on the CPU, with the seed's weights, with the input layer if there is one.

    Args:
        config: of the run.
        shape: (C, H, W) of its images.
        classes: number of classes.

    Returns:
        Images (B, C, H, W) in [0, 1] -> logits (B, classes).

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


def load_run(
    run: RunFolder | Path | str,
    checkpoint: Checkpoint = "last",
    *,
    root: Path | str = "runs",
    device: torch.device | str = "cpu",
) -> nn.Module:
    """What a run trained, as a plain module from images (B, C, H, W) in [0, 1] to logits, in evaluation mode.

    The run's normalisation and its input layer, if it has one, are inside. The data set is read for its shape.

    Args:
        run: the run, its folder, or the start of its name or identity among those in `root`.
        checkpoint: last, best, before_break, after_break or averaged, as far as the run has them; or a kept iteration
            (`RunConfig.keep`).
        root: folder of run folders.
        device: where to put the network, whatever device trained it.

    Returns:
        The network.

    Raises:
        RunError: no run matches, or weights that do not fit its configuration.
        AmbiguousName: several runs match.
        ConfigError: no such checkpoint, or no such device.
        DataError: the run's data set is not here.
    """
    folder = run if isinstance(run, RunFolder) else find_run(root, str(run))
    try:
        place = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as failure:
        raise ConfigError(f"device is {str(device)!r}, which torch cannot use: {describe(failure)}") from None
    return trained(folder, checkpoint_of(folder, checkpoint), place)


def trained(folder: RunFolder, checkpoint: Checkpoint = "last", device: torch.device | str = "cpu") -> nn.Module:
    """A run's network with the weights of a checkpoint.

    Args:
        folder: of a run.
        checkpoint: its name, or a kept iteration (`RunConfig.keep`).
        device: where to put the network.

    Returns:
        The network, in evaluation mode.

    Raises:
        RunError: as `trained_series`.
    """
    return trained_series(folder, [checkpoint], device)[0]


def trained_series(
    folder: RunFolder, checkpoints: Sequence[Checkpoint], device: torch.device | str = "cpu"
) -> list[nn.Module]:
    """A run's network at several checkpoints; the data, which tell its shape, are read once.

    Args:
        folder: of a run.
        checkpoints: their names, or kept iterations (`RunConfig.keep`).
        device: where to put the networks.

    Returns:
        One network per checkpoint, in evaluation mode.

    Raises:
        RunError: no such checkpoint, or weights that do not fit the run's configuration.
    """
    config = folder.config()
    weights = {checkpoint: folder.checkpoint(checkpoint) for checkpoint in checkpoints}
    start = untrained(config)
    models = []
    for checkpoint in checkpoints:
        model = copy.deepcopy(start)
        try:
            model.load_state_dict(weights[checkpoint])
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise RunError(f"{folder.checkpoint_path(checkpoint)}: does not fit the run's model: {reason}") from None
        models.append(model.eval().to(device))
    return models


def untrained(config: RunConfig) -> nn.Module:
    """A run's network with the seed's weights, in evaluation mode, whatever `initial` says."""
    test = load(config.data, config.seed).test
    return network(config, test.shape, test.classes).eval()


def training_images(config: RunConfig, device: torch.device | str = "cpu") -> Tensor:
    """The first 1,000 training images as a run's model sees them, without augmentation, to estimate batch norm on.

    Args:
        config: of the run.
        device: where to put them.

    Returns:
        (N, C, H, W) float32 in [0, 1], or beyond if the run's intervention leaves it; N up to 1,000.
    """
    train = load(config.data, config.seed).train
    few = train.pick(torch.arange(min(1000, len(train))))
    return apply_intervention(few, config.intervention, config.seed, device, train=False)[0]


def evaluation_points(config: RunConfig, device: torch.device | str = "cpu") -> Points:
    """A run's test set.

    Take a subset with `Points.first`: the intervention is drawn for the whole set, as in the run's own evaluation, so
    that a part sees what the whole does.

    Args:
        config: of the run.
        device: where to put the points.

    Returns:
        All test images with their labels.
    """
    test: ImageSet = load(config.data, config.seed).test
    return Points(*apply_intervention(test, config.intervention, config.seed, device, train=False), test.classes)
