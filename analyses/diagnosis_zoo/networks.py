"""The networks of the zoo, built: trained by the engine, and what is put around them to hide their gradients."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from analyses.diagnosis_zoo.distillation import distil
from analyses.diagnosis_zoo.plan import RECIPES, Layer, ZooNetwork
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.data import apply_intervention, load
from cotoolkit.data.image_set import as_float
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run

LEVELS = 8
"""Steps of a quantised pixel."""

NOISE = 0.2
"""Standard deviation of the noise on pixels."""

SCALE = 1e3
"""Of saturated logits: from gaps of about 0.1 on the cross-entropy of a right point is exactly 0 in float32."""

DROPPED = 0.3
"""Share of the last layer's inputs that are dropped, in evaluation too."""

SHARES = tuple(step / 20 for step in range(1, 20))
"""Shares of the network after the break, among which that of a half-collapsed network is chosen."""

RECOVERY_EPOCHS, RECOVERY_WARMUP = 12, 4
"""Epochs of PGD training, on images without the feature, and those over which its radius grows."""


class Quantised(nn.Module):
    """Rounds pixels to `LEVELS` steps: gradients are zero."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network((LEVELS * images).round() / LEVELS)
        return logits


class Noisy(nn.Module):
    """Adds noise of deviation `NOISE` to the pixels, another in each call."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images + NOISE * torch.randn_like(images))
        return logits


class Saturated(nn.Module):
    """Multiplies logits by `SCALE`: the cross-entropy's gradient underflows."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = SCALE * self.network(images)
        return logits


class SoftmaxEnd(nn.Module):
    """Returns probabilities where logits are expected."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, images: Tensor) -> Tensor:
        return F.softmax(self.network(images), 1)


class LastingDropout(nn.Module):
    """Dropout that evaluation mode does not turn off."""

    @override
    def forward(self, inputs: Tensor) -> Tensor:
        return F.dropout(inputs, DROPPED)


def build(one: ZooNetwork, root: Path) -> nn.Module:
    """A network of the zoo; what it needs is trained below `root` unless that is done.

    Args:
        one: which.
        root: folder of runs.

    Returns:
        Images (B, C, H, W) in [0, 1] to logits, or probabilities (B, classes), in evaluation mode.

    Raises:
        RunError: a half-collapsed network is asked of a run without a breakpoint.
    """
    folder = run(config_of(one), root, wait=True)
    return with_hidden_gradients(_network(one, folder, root), one.layer).eval()


def config_of(one: ZooNetwork) -> RunConfig:
    """The run that a network comes from."""
    return RunConfig.parse(RECIPES[one.recipe])


def points_of_zoo(one: ZooNetwork) -> Points:
    """The test images that a network of the zoo is measured on, in [0, 1], with the feature if it trained with one."""
    config = config_of(one)
    if one.after == "recovery":
        config = config.model_copy(update={"intervention": None})
    images, labels, classes = evaluation_points(config)
    return Points(images.clamp(0, 1), labels, classes)


def radius_of(one: ZooNetwork) -> float:
    """The radius that a network of the zoo is attacked with."""
    return config_of(one).epsilon if one.radius is None else one.radius


def with_hidden_gradients(network: nn.Module, layer: Layer | None) -> nn.Module:
    """A network with its gradients hidden.

    Args:
        network: logits out.
        layer: how; None leaves it.

    Returns:
        The network, or a module around it.
    """
    if layer == "dropout":
        return _with_dropout(network)
    around = {"quantised": Quantised, "noisy": Noisy, "saturated": Saturated, "softmax": SoftmaxEnd}
    return network if layer is None else around[layer](network)


def mixed(network: nn.Module, after: Mapping[str, Tensor], share: float) -> nn.Module:
    """The network between two sets of weights.

    Args:
        network: the one end; left as it is.
        after: weights of the other.
        share: of the other, in [0, 1].

    Returns:
        A network with the weights in between.
    """
    between = copy.deepcopy(network)
    between.load_state_dict({
        name: torch.lerp(tensor, after[name], share) if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    })  # fmt: skip
    return between


def _network(one: ZooNetwork, folder: RunFolder, root: Path) -> nn.Module:
    config = folder.config()
    if one.after == "half":
        return _halfway(folder, config)
    if one.after == "recovery":
        return trained(run(_recovery(folder, config), root, wait=True))
    network = trained(folder)
    if one.after == "distillation":
        train = load(config.data, config.seed).train
        return distil(network, as_float(train.images), train.labels, seed=config.seed)
    return network


def _halfway(folder: RunFolder, config: RunConfig) -> nn.Module:
    """Between the networks before and after the break, where about half of PGD accuracy on training images is left."""
    if not folder.checkpoint_path("before_break").exists():
        raise RunError(f"{folder.path.name}: has no breakpoint on this machine, so nothing is half-collapsed")
    before, after = trained(folder, "before_break"), folder.checkpoint("last")
    train = load(config.data, config.seed).train.pick(torch.arange(256))
    images, labels = apply_intervention(train, config.intervention, config.seed, "cpu", train=False)
    images, threat = images.clamp(0, 1), ThreatModel(config.epsilon)

    def left(network: nn.Module) -> float:
        return run_protocol(network, images, labels, threat, "pgd-10").accuracy.value

    goal = left(before) / 2
    return min((mixed(before, after, share) for share in SHARES), key=lambda network: abs(left(network) - goal))


def _recovery(folder: RunFolder, config: RunConfig) -> RunConfig:
    """PGD training on plain images, from where a collapsed run ended."""
    data = config.to_data()
    data |= {"initial": str(folder.checkpoint_path("last")), "method": {"name": "pgd", "steps": 5}}
    data |= {"intervention": None, "box": "box_then_eps", "epochs": RECOVERY_EPOCHS}
    data["schedule"] |= {"epsilon_warmup": RECOVERY_WARMUP}
    return RunConfig.parse(data)


def _with_dropout(network: nn.Module) -> nn.Module:
    """With dropout before the last linear layer."""
    found = copy.deepcopy(network)
    name, last = [(name, module) for name, module in found.named_modules() if isinstance(module, nn.Linear)][-1]
    place, _, own = name.rpartition(".")
    setattr(found.get_submodule(place), own, nn.Sequential(LastingDropout(), last))
    return found
