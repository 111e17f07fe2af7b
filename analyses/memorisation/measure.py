"""What is measured of finished runs, each in a process of its own: what they get right, and whom they suspect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from analyses.core.measurement import Measurement
from cotoolkit.attacks.gradient import AttackResult, attack_mode, input_gradient, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import generator
from cotoolkit.data import DataSplits, apply_intervention, load
from cotoolkit.data.image_set import as_float
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.methods import AttackMethod, Batch
from cotoolkit.methods._terms.suspicion import suspicion
from cotoolkit.runs.checkpoints import trained, trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals.local import gradient_alignment

FORMAT = 1
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""

PROTOCOL = "pgd-10"
"""Of robust accuracy."""

Tags = Mapping[str, str | int]
"""Columns that say which run a table is of."""


def whole(config: RunConfig) -> DataSplits:
    """A run's data with the whole training set, of which the run may have seen a part."""
    return load(config.data.model_copy(update={"subset": None, "only": None}), config.seed)


@dataclass(frozen=True)
class _OfRun(Measurement):
    """Of one run.

    Attributes:
        config: of the run.
        tags: see `Tags`.
    """

    config: RunConfig
    tags: Tags

    @override
    def runs(self, root: Path) -> list[RunFolder]:
        return [RunFolder.of(root, self.config)]


@dataclass(frozen=True)
class Correct(_OfRun):
    """Which images a run gets right: clean, and under PGD at some radii.

    Columns: the tags, part (train or test), index, label, clean, and one of bool per radius, by its name. Train is the
    whole training set, what the run saw of it and what not. Nothing is augmented or intervened on.

    Attributes:
        radii: of PGD, by name.
        train: also the training images, not the test images alone.
    """

    radii: Mapping[str, float]
    train: bool = False

    @property
    @override
    def title(self) -> str:
        return f"right {' '.join(map(str, self.tags.values()))}"

    @property
    @override
    def protocol(self) -> list[Any]:
        return [FORMAT, "correct", PROTOCOL, dict(self.tags), dict(self.radii), self.train, self.config.identity]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        model = trained(RunFolder.of(root, self.config))
        splits = whole(self.config)
        parts = {"train": splits.train, "test": splits.test} if self.train else {"test": splits.test}
        tables = []
        for part, data in parts.items():
            images = as_float(data.images)
            columns = {"clean": evaluate(model, images, data.labels, self.config.threat, "clean").correct.numpy()}
            for name, radius in self.radii.items():
                threat = ThreatModel(radius, self.config.norm, self.config.box)
                columns[name] = evaluate(model, images, data.labels, threat, PROTOCOL).correct.numpy()
            table = pd.DataFrame({"index": np.arange(len(data)), "label": data.labels.numpy(), **columns})
            tables.append(table.assign(part=part))
        return pd.concat(tables, ignore_index=True).assign(**self.tags)


@dataclass(frozen=True)
class Looks(_OfRun):
    """A run's look at its training images at some checkpoints, in evaluation mode.

    Columns: the tags, iteration, index, label (as trained on), true_label, loss and correct (clean), confidence,
    flagged and taken_for (the likeliest wrong class) under the training attack, or clean where there is none.

    Attributes:
        iterations: kept ones.
    """

    iterations: tuple[int, ...]

    @property
    @override
    def title(self) -> str:
        return f"look {' '.join(map(str, self.tags.values()))}"

    @property
    @override
    def protocol(self) -> list[Any]:
        return [FORMAT, "looks", dict(self.tags), self.iterations, self.config.identity]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        config = self.config
        models = trained_series(RunFolder.of(root, config), self.iterations)
        data = load(config.data, config.seed).train
        images, labels = apply_intervention(data, config.intervention, config.seed, "cpu", train=True)
        tables = []
        for iteration, model in zip(self.iterations, models, strict=True):
            with torch.no_grad():
                clean = model(images)
            attacked = training_attack(model, config, images, labels)
            logits = clean
            if attacked is not None:
                with torch.no_grad():
                    logits = model(images + attacked.delta)
            confidence, flagged = suspicion(logits, labels)
            table = {
                "iteration": iteration,
                "index": np.arange(len(labels)),
                "label": labels.numpy(),
                "true_label": data.labels.numpy(),
                "loss": F.cross_entropy(clean, labels, reduction="none").numpy(),
                "correct": (clean.argmax(1) == labels).numpy(),
                "confidence": confidence.numpy(),
                "flagged": flagged.numpy(),
                "taken_for": logits.scatter(1, labels[:, None], -torch.inf).argmax(1).numpy(),
            }
            tables.append(pd.DataFrame(table))
        return pd.concat(tables, ignore_index=True).assign(**self.tags)


@dataclass(frozen=True)
class Course(_OfRun):
    """Flags over training, under the training attack and under PGD-10, on a run's first training images,
    at all iterations that the run kept.

    Columns: the tags, iteration, flagged and flagged_pgd (shares), accuracy, accuracy_pgd, clean_error, strength_gap
    (mean loss under PGD-10 less that under the training attack), alignment (mean cosine of the gradients at the image
    and at a random point of the ball).

    Attributes:
        points: training images.
    """

    points: int

    @property
    @override
    def title(self) -> str:
        return f"course {' '.join(map(str, self.tags.values()))}"

    @property
    @override
    def protocol(self) -> list[Any]:
        return [FORMAT, "course with alignment", dict(self.tags), self.points, self.config.identity]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        config = self.config
        folder = RunFolder.of(root, config)
        iterations = folder.kept()
        data = load(config.data, config.seed).train
        everything = apply_intervention(data, config.intervention, config.seed, "cpu", train=True)
        images, labels = (part[: self.points] for part in everything)
        rows = []
        for iteration, model in zip(iterations, trained_series(folder, iterations), strict=True):
            weak = training_attack(model, config, images, labels)
            assert weak is not None
            draws = generator(config.seed, "evaluation", 1)
            strong = pgd(model, images, labels, config.threat, generator=draws, steps=10, bn_mode="eval")
            inside = input_gradient(model, images + config.threat.random_start(images, draws), labels)
            at_image = input_gradient(model, images, labels)
            clean = at_image.logits
            with torch.no_grad():
                weakly, strongly = (model(images + delta) for delta in (weak.delta, strong.delta))
            losses = [F.cross_entropy(logits, labels).item() for logits in (weakly, strongly)]
            rows.append(
                {
                    "iteration": iteration,
                    "flagged": suspicion(weakly, labels).flagged.float().mean().item(),
                    "flagged_pgd": suspicion(strongly, labels).flagged.float().mean().item(),
                    "accuracy": (weakly.argmax(1) == labels).float().mean().item(),
                    "accuracy_pgd": (strongly.argmax(1) == labels).float().mean().item(),
                    "clean_error": (clean.argmax(1) != labels).float().mean().item(),
                    "strength_gap": losses[1] - losses[0],
                    "alignment": gradient_alignment(at_image.gradient, inside.gradient).nanmean().item(),
                }
            )
        return pd.DataFrame(rows).assign(**self.tags)


def training_attack(model: nn.Module, config: RunConfig, images: Tensor, labels: Tensor) -> AttackResult | None:
    """A run's training attack, at its full radius and in evaluation mode; None for standard training.

    Shapes: images (N, C, H, W), labels (N,).
    """
    inner = getattr(config.method, "inner", config.method)
    if not isinstance(inner, AttackMethod):
        return None
    with attack_mode(model, "eval"):
        return inner.attack(model, Batch(images, labels, config.threat, generator(config.seed, "evaluation", 2)))
