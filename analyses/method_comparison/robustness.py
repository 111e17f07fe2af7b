"""How robust the networks are that a run ended with, and that it was at its best: what is measured of each checkpoint.

The best one was chosen by the probe on held-out images, so that its accuracy on test images is no maximum of many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import pandas as pd
from torch import Tensor, nn
from typing_extensions import override

from analyses.core.measurement import Measurement
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.evaluation.worst_of_three import worst_of_three, worst_of_three_card
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import Checkpoint, CheckpointName, RunFolder

CHECKPOINT = (
    *("group", "method", "seed", "checkpoint", "iteration", "clean", "fgsm", "pgd", "margin", "square", "robust"),
    *("autoattack", "points", "protocol"),
)
"""Columns of the measures: accuracies in [0, 1]; `robust` is under the worst of PGD-50, PGD-50 on the margin and
Square, `autoattack` under AutoAttack as well, missing where it was not run; `protocol` hashes what defines `robust`."""


@dataclass(frozen=True)
class RobustnessMeasurement(Measurement):
    """The accuracies of a run's networks on test images: its last, its best, and those its method gives besides.

    Attributes:
        config: of the run.
        label: group, method and seed.
        points: how many test images are attacked; None means all.
        autoattack: whether AutoAttack is run on the points that are left.
        device: where to attack; it does not decide the numbers.
    """

    config: RunConfig
    label: Mapping[str, Any]
    points: int | None
    autoattack: bool
    device: str

    @property
    @override
    def title(self) -> str:
        return f"robustness of {self.label['method']}, seed {self.label['seed']}, {self.label['group']}"

    @property
    @override
    def protocol(self) -> Any:
        card = worst_of_three_card(self.config.threat, self.points or 0)
        return ["method_comparison", 1, self.config.identity, dict(self.label), self.autoattack, card]

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return [RunFolder.of(root, self.config)]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        (folder,) = self.runs(root)
        points = evaluation_points(self.config, self.device)
        points = points.first(self.points or len(points.labels))
        rows: dict[int | str, dict[str, Any]] = {}
        table = []
        for name, iteration in attacked_checkpoints(folder):
            known = rows.get(key := _weights(name, iteration))
            if known is None:
                model = trained(folder, cast("Checkpoint", name), self.device)
                known = rows[key] = network_accuracies(
                    model, points, self.config.threat, self.config.seed, autoattack=self.autoattack
                )
            table.append({"checkpoint": name, "iteration": iteration, **known})
        return pd.DataFrame(table).assign(**self.label).reindex(columns=list(CHECKPOINT))


def attacked_checkpoints(folder: RunFolder) -> Iterator[tuple[str, int]]:
    """The checkpoints of a finished run that are measured: last, best, and networks besides the trained one.

    Args:
        folder: of the run.

    Yields:
        Names with the iterations that the networks have seen.
    """
    named = {path.stem for path in folder.path.glob("checkpoints/*.safetensors")}
    besides = sorted(name for name in named - {*get_args(CheckpointName)} if not name.startswith("iteration-"))
    for name in ("last", "best", *besides):
        if name in named:
            yield name, folder.checkpoint_iteration(cast("Checkpoint", name))


def _weights(name: str, iteration: int) -> int | str:
    """What tells networks apart: that of an iteration is the same whether it is the last or the best."""
    return iteration if name in ("last", "best") else name


def network_accuracies(
    model: nn.Module, points: Points, threat: ThreatModel, seed: int, *, autoattack: bool
) -> dict[str, Any]:
    """Accuracies of a network on test images.

    Args:
        model: logits out, on the points' device.
        points: as the model sees them.
        threat: of the attacks.
        seed: of all starts.
        autoattack: run it on the points that the other attacks leave.

    Returns:
        Columns of `CHECKPOINT` by name.
    """
    images, labels, _ = points
    found = worst_of_three(model, points, threat, seed)
    single = {name: run_protocol(model, images, labels, threat, name).correct for name in ("clean", "fgsm")}
    named = {**single, **found._asdict(), "robust": found.robust}
    return {
        **{name: marks.double().mean().item() for name, marks in named.items()},
        "autoattack": _under_autoattack(model, points, threat, seed, found.robust) if autoattack else float("nan"),
        "points": len(labels),
        "protocol": worst_of_three_card(threat, len(labels))["hash"],
    }


def _under_autoattack(model: nn.Module, points: Points, threat: ThreatModel, seed: int, left: Tensor) -> float:
    """Share of all points that AutoAttack leaves, too."""
    from cotoolkit.diagnosis.measuring.autoattack import autoattack

    if not left.any():
        return 0.0
    few = Points(points.images[left], points.labels[left], points.classes)
    found = autoattack(model, few.images, few.labels, threat, classes=points.classes, seed=seed)
    return found.accuracy.value * len(few.labels) / len(points.labels)
