"""The network that a monitor watches, with the points that it is measured on: as it is now, and as it once was."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.attacks.checked import check_threat
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.seeding import fork_every_global_rng, fork_generators_of, generator
from cotoolkit.core.user_code import describe
from cotoolkit.evaluation.probe import Enough, Probe, ProbeResult
from cotoolkit.intake.door import LOOKED_AT
from cotoolkit.intake.model import ImageModel, bounds_of
from cotoolkit.intake.normalisation import Bounds
from cotoolkit.intake.points import points_of
from cotoolkit.intake.preparation import image_model
from cotoolkit.intake.probing import NO_GRADIENT
from cotoolkit.methods import AttackMethod, Batch
from cotoolkit.models.normalise import Statistics
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.loops.by_products import Expected
from cotoolkit.monitor.weight_history import RestorePoint, WeightSnapshot, weights_in_place

log = logging.getLogger(__name__)

TRIED_ON = 32
"""Held-out images that the attacks of a rescue are tried on; as many as some layers in training mode need."""


DRAWS = 12
"""Random weights at which outputs that may be probabilities are looked at once more, each time twice as large: one
logit has the same sign for all images at half of them, and may be small at first."""

FEW = 8
"""Held-out images below which accuracies are so coarse that hardly any loss is sure."""


class WatchedModel:
    """Somebody's network in training, ready to be probed.

    Args:
        model: see `intake.preparation.image_model`.
        points: held-out images and labels, see `intake.points.points_of`.
        threat: of the probe.
        config: how many points, and steps.
        seed: of the points and starts.
        bounds: range of the points, and of what the model takes.
        options: further ones of `image_model`.

    Attributes:
        model: from images in [0, 1] to logits.
        classes: of the points.
        images: held out, (N, C, H, W) float32 in [0, 1].
        labels: theirs, (N,).

    Raises:
        ConfigError: options that do not fit together.
        DataError: points that cannot be measured on.
        ModelError: a model that cannot be watched.
    """

    def __init__(
        self,
        model: nn.Module,
        points: Any,
        threat: ThreatModel,
        config: MonitorConfig,
        seed: int,
        *,
        bounds: Bounds,
        **options: Any,
    ) -> None:
        bounds = bounds_of(model, bounds)
        choice = partial(points_of, points, seed=seed, bounds=bounds, leave=threat.box == "none")
        held_out = choice(points=config.points)
        if (more := config.points_for(held_out.classes)) > config.points:
            held_out = choice(points=more)
        self.images, self.labels, self.classes = held_out
        check_threat(threat, self.images[0].numel())
        if len(self.images) < FEW:
            few = f"{len(self.images)} held-out point{'s' * (len(self.images) > 1)}"
            log.warning("%s: a loss of robustness is hardly told from chance; give %d or more", few, config.points)
        _, channels, height, width = self.images.shape
        with _own_draws(model, seed):
            self.model: ImageModel = image_model(
                model, shape=(channels, height, width), classes=self.classes, bounds=bounds, live=True, **options
            )
            self.model.read_probabilities(self._on_device(self.images[:LOOKED_AT]), _other_weights(self.model))
        for finding in self.model.findings:
            if finding.text.startswith(NO_GRADIENT):
                raise ModelError(f"{finding.text.split(';')[0]}: the monitor's probes are gradient attacks")
            log.log(logging.WARNING if finding.kind == "warning" else logging.INFO, "%s", finding.text)
        self.threat, self.config, self.seed = threat, config, seed
        self._probe: Probe | None = None

    @property
    def statistics(self) -> Statistics:
        """Mean and std of the model's input, in units of images in [0, 1]."""
        low, high = self.model.bounds
        mean, std = (() if part is None else part.flatten().tolist() for part in (self.model.mean, self.model.std))
        if not mean or not std:
            return Statistics((-low / (high - low),), (1 / (high - low),))
        return Statistics(*(tuple(value / (high - low) for value in part) for part in ([m - low for m in mean], std)))

    @property
    def expected(self) -> Expected:
        """What a training step's by-products have to fit."""
        return Expected(self.statistics, self.model.classes, self.model.binary, self.images.shape[1:], self.threat)

    def measure(self, weights: Mapping[str, Tensor] | None = None, enough: Enough | None = None) -> ProbeResult:
        """Probe the network.

        Args:
            weights: that it has meanwhile, as of a `WeightSnapshot`; None for its present ones.
            enough: when the probe may end early.

        Returns:
            What was found; the network is left as it was.
        """
        images, labels = self._on_device(self.images), self._on_device(self.labels)
        if self._probe is None or self._probe.images.device != images.device:
            self._probe = Probe(images, labels, self.threat, self.config.steps, self.seed)
        return self._measure(self._probe, weights, enough)

    def attack(
        self, method: AttackMethod, images: Tensor, labels: Tensor, draws: torch.Generator
    ) -> tuple[Tensor, AttackResult]:
        """Attack a batch.

        Args:
            method: makes the perturbation.
            images: (B, C, H, W), as the model takes them.
            labels: (B,), or soft.
            draws: source of random numbers.

        Returns:
            The attacked images as the model takes them, and the attack in pixel units.
        """
        self._place()
        pixels = self.model.to_images(images.float())
        attacked = method.attack(self.model, Batch(pixels, labels, self.threat, draws))
        return self.model.to_input(pixels + attacked.delta).to(images.dtype), attacked

    def rehearse(self, optimizer: Any, methods: Sequence[AttackMethod]) -> None:
        """Do once what is otherwise done at a breakpoint only; the network and the optimiser stay as they are.

        Args:
            optimizer: whose state is to be rolled back; None if there is none.
            methods: that are to train.

        Raises:
            ModelError: copies of the weights cannot be measured, or a method cannot attack the model.
            ConfigError: the optimiser is another network's, or its state cannot be rolled back.
        """
        network = self.model.network
        images, labels = self._on_device(self.images[:TRIED_ON]), self._on_device(self.labels[:TRIED_ON])
        try:
            probe = Probe(images[:4], labels[:4], self.threat, 1, self.seed)
            # Weights that differ from the present ones, so that they are written, and written back.
            trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
            past = {name: value.detach() * 1.01 for name, value in trained.items()}
            self._measure(probe, past, None)
        except Exception as failure:
            raise ModelError(f"a probe of copies of the model's weights fails: {describe(failure)}") from failure
        for method in methods:
            draws = generator(self.seed, "attack", 0, images.device)
            try:
                with weights_in_place(network, {}), _own_draws(network, self.seed):
                    self.attack(method, self.model.to_input(images), labels, draws)
            except Exception as failure:
                name = getattr(method, "name", type(method).__name__)  # it need not be registered
                raise ModelError(f"{name} cannot attack the model: {describe(failure)}") from failure
        if optimizer is not None:
            held = {id(one) for group in getattr(optimizer, "param_groups", ()) for one in group["params"]}
            if held and held.isdisjoint(map(id, network.parameters())):
                raise ConfigError(
                    "optimizer: it holds none of the network's parameters, but another network's or copies of them; "
                    "give the one that trains it"
                )
            try:
                RestorePoint.of(WeightSnapshot(0, {}), optimizer).rehearse(optimizer)
            except Exception as failure:
                raise ConfigError(f"optimizer: its state cannot be rolled back ({describe(failure)})") from failure

    def _measure(self, probe: Probe, weights: Mapping[str, Tensor] | None, enough: Enough | None) -> ProbeResult:
        self._place()
        with _own_draws(self.model.network, self.seed):
            if weights is None:
                return probe.measure(self.model, enough)
            with weights_in_place(self.model.network, weights):
                return probe.measure(self.model, enough)

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(device_of(self.model.network))

    def _place(self) -> None:
        """What is ours goes where the network is now."""
        if self.model.mean is not None and self.model.std is not None:
            self.model.mean, self.model.std = self._on_device(self.model.mean), self._on_device(self.model.std)


@contextlib.contextmanager
def _own_draws(network: Any, seed: int) -> Iterator[None]:
    """What the block draws takes nothing from generators that training draws from, the network's own among them."""
    own = fork_generators_of(network) if isinstance(network, nn.Module) else contextlib.nullcontext()
    with fork_every_global_rng(seed, "probe"), own:
        yield


def _other_weights(model: ImageModel) -> Iterator[AbstractContextManager[None]]:
    """Contexts in which a copy of a model's network stands in its place, with matrices and kernels drawn at random.

    Of the size of its own, and larger ones. What scales or mixes outputs, as weights of an ensemble do, stays.
    """
    try:
        other = copy.deepcopy(model.network)
    except Exception:  # some cannot be copied, and are taken by their looks
        return
    draws = torch.Generator().manual_seed(0)
    drawn = [
        (one, _size(one)) for one in other.parameters() if one.is_floating_point() and one.dim() > 1 and one.numel()
    ]
    for doubled in range(DRAWS):
        for weights, size in drawn:
            weights.data.copy_(torch.randn(weights.shape, generator=draws, device="cpu") * size * 2**doubled)
        yield _in_its_place(model, other)


@contextlib.contextmanager
def _in_its_place(model: ImageModel, other: nn.Module) -> Iterator[None]:
    own = model.network
    model.network = other
    try:
        yield
    finally:
        model.network = own


def _size(weights: Tensor) -> float:
    """Root mean square; of weights that are all zero, as a last layer's at first, that of their usual start."""
    size = float(weights.detach().float().square().mean().sqrt())
    return size if size > 0 else math.sqrt(2 / math.prod(weights.shape[1:]))
