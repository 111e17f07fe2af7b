"""What is measured at the networks of the study: their per-sample losses, stored, from which all else is computed.

Columns: part, arm, seed, iteration, split (train or test), sample, the fields of `SampleLosses`, and poisoned: whether
the label is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from typing_extensions import override

from analyses.core.measurement import Measurement
from analyses.holistic_robust.losses import PROTOCOL, sample_losses
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import generator
from cotoolkit.data import apply_intervention, load
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import Checkpoint, RunFolder

FORMAT = 1
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""


@dataclass(frozen=True)
class Losses(Measurement):
    """The losses of one run at its kept iterations, or at its end if it keeps none.

    Attributes:
        part: of the study.
        arm: its name.
        config: of the run.
        points: training and test images, each, at most 512.
    """

    part: str
    arm: str
    config: RunConfig
    points: int

    @property
    @override
    def title(self) -> str:
        return f"{self.part}, {self.arm}, seed {self.config.seed}"

    @property
    @override
    def protocol(self) -> list[Any]:
        return [FORMAT, PROTOCOL, self.points, self.config.identity]

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return [RunFolder.of(root, self.config)]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        config = self.config
        folder = self.runs(root)[0]
        train = load(config.data, config.seed).train
        images, labels = apply_intervention(train, config.intervention, config.seed, "cpu", train=True)
        chosen = torch.randperm(len(train), generator=generator(config.seed, "diagnosis"))[: self.points]
        test = evaluation_points(config).first(self.points)
        sets = {
            "train": (images[chosen], labels[chosen], labels[chosen] != train.labels[chosen]),
            "test": (test.images, test.labels, torch.zeros(len(test.labels), dtype=torch.bool)),
        }
        tables = []
        checkpoints: list[Checkpoint] = [*config.keep] or ["last"]
        for checkpoint, model in zip(checkpoints, trained_series(folder, checkpoints), strict=True):
            iteration = checkpoint if isinstance(checkpoint, int) else folder.checkpoint_iteration(checkpoint)
            for split, (pixels, classes, poisoned) in sets.items():
                found = sample_losses(model, pixels, classes, config.threat, config.seed)
                columns = {name: tensor.numpy() for name, tensor in found._asdict().items()}
                table = pd.DataFrame({**columns, "poisoned": poisoned.numpy()})
                tables.append(table.assign(iteration=iteration, split=split, sample=range(len(table))))
        return pd.concat(tables, ignore_index=True).assign(part=self.part, arm=self.arm, seed=config.seed)
