"""What is measured of finished runs: what they get right, whom they suspect, and how flags go through a break."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import AttackResult, input_gradient, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import generator
from cotoolkit.data import DataSplits, apply_intervention, load
from cotoolkit.data.image_set import as_float
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.methods import AttackMethod, Batch
from cotoolkit.methods._weighting.suspicion import suspicion
from cotoolkit.models.modes import attack_mode
from cotoolkit.runs.checkpoints import trained, trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals.local import gradient_alignment

PROTOCOL = "pgd-10"
"""Of robust accuracy."""


def uncut_data(config: RunConfig) -> DataSplits:
    """A run's data with the whole training set, of which the run may have seen a part."""
    return load(config.data.model_copy(update={"subset": None, "only": None}), config.seed)


def correct_images(run: RunFolder, *, radii: Mapping[str, float], train: bool = False) -> pd.DataFrame:
    """Which images a run gets right: clean, and under PGD at some radii. Nothing is augmented or intervened on.

    Args:
        run: a finished run.
        radii: of PGD, by name, in the unit of the pixels.
        train: also the training images, those that the run saw and those that it did not; not the test images alone.

    Returns:
        Columns part (train or test), index, label, clean, and one of bool per radius, by its name.
    """
    config, model = run.config(), trained(run)
    splits = uncut_data(config)
    parts = {"train": splits.train, "test": splits.test} if train else {"test": splits.test}
    tables = []
    for part, data in parts.items():
        images = as_float(data.images)
        columns = {"clean": run_protocol(model, images, data.labels, config.threat, "clean").correct.numpy()}
        for name, radius in radii.items():
            threat = ThreatModel(radius, config.norm, config.box)
            columns[name] = run_protocol(model, images, data.labels, threat, PROTOCOL).correct.numpy()
        table = pd.DataFrame({"index": np.arange(len(data)), "label": data.labels.numpy(), **columns})
        tables.append(table.assign(part=part))
    return pd.concat(tables, ignore_index=True)


def image_looks(run: RunFolder) -> pd.DataFrame:
    """A run's look at its training images at the checkpoints that it kept, in evaluation mode.

    Args:
        run: a finished run.

    Returns:
        Columns iteration, index, label (as trained on), true_label, loss and correct (clean), confidence, flagged and
        taken_for (the likeliest wrong class) under the training attack, or clean where there is none.
    """
    config = run.config()
    data = load(config.data, config.seed).train
    images, labels = apply_intervention(data, config.intervention, config.seed, "cpu", train=True)
    tables = []
    for iteration, model in zip(config.keep, trained_series(run, config.keep), strict=True):
        with torch.no_grad():
            clean = model(images)
        attacked = _training_attack(model, config, images, labels)
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
    return pd.concat(tables, ignore_index=True)


def flag_course(run: RunFolder, *, points: int) -> pd.DataFrame:
    """Flags over training, under the training attack and under PGD-10, at all iterations that the run kept.

    Args:
        run: a finished run.
        points: how many training images are looked at, the first ones.

    Returns:
        Columns iteration, flagged and flagged_pgd (shares), accuracy, accuracy_pgd, clean_error, strength_gap (mean
        loss under PGD-10 minus that under the training attack, nats), alignment (mean cosine of the gradients at the
        image and at a random point of the ball).
    """
    config, iterations = run.config(), run.kept()
    data = load(config.data, config.seed).train
    everything = apply_intervention(data, config.intervention, config.seed, "cpu", train=True)
    images, labels = (part[:points] for part in everything)
    rows = []
    for iteration, model in zip(iterations, trained_series(run, iterations), strict=True):
        weak = _training_attack(model, config, images, labels)
        assert weak is not None
        draws = generator(config.seed, "evaluation", 1)
        strong = pgd(model, images, labels, config.threat, generator=draws, steps=10, bn_mode="eval")
        inside = input_gradient(model, images + config.threat.random_start(images, draws), labels)
        at_image = input_gradient(model, images, labels)
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
                "clean_error": (at_image.logits.argmax(1) != labels).float().mean().item(),
                "strength_gap": losses[1] - losses[0],
                "alignment": gradient_alignment(at_image.gradient, inside.gradient).nanmean().item(),
            }
        )
    return pd.DataFrame(rows)


def _training_attack(model: nn.Module, config: RunConfig, images: Tensor, labels: Tensor) -> AttackResult | None:
    """A run's training attack, at its full radius and in evaluation mode; None for standard training."""
    inner = getattr(config.method, "inner", config.method)
    if not isinstance(inner, AttackMethod):
        return None
    with attack_mode(model, "eval"):
        return inner.attack(model, Batch(images, labels, config.threat, generator(config.seed, "evaluation", 2)))
