"""`RobustAccuracy`: accuracy under an evaluation protocol as a metric of torchmetrics (extra `cotoolkit[lightning]`).

    metric = RobustAccuracy(ThreatModel("8/255"), "pgd-10", model=network)
    for images, labels in loader:
        metric.update(images, labels)
    metric.compute()

It is a real `torchmetrics.Metric`, since Lightning's `self.log` and a `MetricCollection` take no other class, and
counts are so added over processes in torchmetrics' own way. This module alone needs torchmetrics.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Unpack, override

from cotoolkit.attacks.checked import leaves_box
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.evaluation.own_attack import OwnAttack
from cotoolkit.evaluation.protocol import Protocol, evaluate, known_protocol
from cotoolkit.intake.door import ModelOptions

try:
    from torchmetrics import Metric
except ImportError:
    raise ConfigError("RobustAccuracy needs torchmetrics: pip install 'cotoolkit[lightning]'") from None


_NUMBERS = itertools.count()


class _Reference:
    """The network itself, whatever becomes of the metric.

    A submodule would stand twice among the weights of a LightningModule, and move with the metric; and a clone of the
    metric would measure a copy of the network that no longer trains.
    """

    def __init__(self, model: nn.Module | None) -> None:
        self.model = model

    def __deepcopy__(self, memo: dict[int, Any]) -> _Reference:
        return self


class RobustAccuracy(Metric):
    """Share of the images that an evaluation protocol leaves classified correctly, by `cotoolkit.evaluation.evaluate`.

    `update` attacks a batch and counts; `compute` gives the share so far, over all processes, and nan before any image.
    The network may be in training, in any mode, inside `no_grad` or `inference_mode`; it is left as it is. Batches of
    one size draw the random starts that `evaluate(..., batch_size=SIZE)` draws for all images at once, process by
    process.

    Args:
        threat: radius, norm and order of the clamps.
        protocol: as for `evaluate`: "pgd-10", "attack=module:function", a `Protocol`.
        model: the network; None where `update` is given one. It is not registered as a part of the metric.
        seed: of the random starts.
        sync: keywords of `torchmetrics.Metric`, such as `dist_sync_on_step`.
        options: how the network takes its images and returns its logits, see `intake.door.ModelOptions`.

    Attributes:
        correct: images that stayed correct, in this process.
        points: images attacked, in this process.

    Raises:
        ConfigError: no threat model, no protocol, or an option that there is not.
    """

    is_differentiable: bool = False
    higher_is_better: bool = True
    full_state_update: bool = False
    plot_lower_bound: float = 0.0
    plot_upper_bound: float = 1.0
    correct: Tensor
    points: Tensor

    def __init__(
        self,
        threat: ThreatModel,
        protocol: str | Protocol | OwnAttack = "pgd-10",
        *,
        model: nn.Module | None = None,
        seed: int = 0,
        sync: dict[str, Any] | None = None,
        **options: Unpack[ModelOptions],
    ) -> None:
        super().__init__(**(sync or {}))
        if unknown := sorted(options.keys() - ModelOptions.__annotations__.keys()):
            known = ", ".join(ModelOptions.__annotations__)
            raise ConfigError(f"RobustAccuracy: unknown option {unknown[0]}; choose from {known}")
        leaves_box(threat)  # refuses what is no threat model
        self.threat, self.protocol, self.seed = threat, known_protocol(protocol), seed
        self._network, self._options, self._before = _Reference(model), options, 0
        # A collection takes metrics whose states are equal after one batch for the same, and updates one
        # of them only; torchmetrics 1.5 looks at the first state alone.
        self.add_state("number", torch.tensor(next(_NUMBERS)), dist_reduce_fx="max")
        for count in ("correct", "points"):
            self.add_state(count, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @override
    def update(self, images: Any, labels: Any, model: nn.Module | None = None) -> None:
        """Attack a batch.

        Args:
            images: (B, C, H, W), as `evaluate` takes them.
            labels: (B,).
            model: the network; None for that of the metric.

        Raises:
            ConfigError: there is none.
            DataError, ModelError: as `evaluate`.
        """
        network = self._network.model if model is None else model
        if network is None:
            raise ConfigError("RobustAccuracy has no network: give model= to it, or to update")
        first = self._before + int(self.points)
        found = evaluate(
            network, images, labels, self.threat, self.protocol, seed=self.seed, batch_size=max(1, len(labels)),
            first=first, **self._options,
        )  # fmt: skip
        self.correct += found.correct.sum().to(self.correct)
        self.points += found.accuracy.points

    @override
    def compute(self) -> Tensor:
        """The share, a scalar in [0, 1]."""
        return self.correct / self.points

    @override
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """`update`, and the share of this batch alone."""
        self._before = int(self.points)  # the batch's value is computed from zero, and yet is not the first batch
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._before = 0
