"""What is measured at the networks of the study: their per-sample losses, from which all else is computed."""

from __future__ import annotations

import pandas as pd
import torch

from analyses.holistic_robust.losses import sample_losses
from cotoolkit.core.seeding import generator
from cotoolkit.data import apply_intervention, load
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import Checkpoint, RunFolder


def losses_over_training(run: RunFolder, *, points: int) -> pd.DataFrame:
    """The losses of a run's networks at its kept iterations, or at its end if it keeps none.

    Args:
        run: a finished run.
        points: training and test images, each, at most 512.

    Returns:
        One row per iteration, split and image: the fields of `SampleLosses` (nats), poisoned (whether the label is
        wrong), iteration, split ("train" or "test"), sample.
    """
    config = run.config()
    train = load(config.data, config.seed).train
    images, labels = apply_intervention(train, config.intervention, config.seed, "cpu", train=True)
    chosen = torch.randperm(len(train), generator=generator(config.seed, "diagnosis"))[:points]
    test = evaluation_points(config).first(points)
    sets = {
        "train": (images[chosen], labels[chosen], labels[chosen] != train.labels[chosen]),
        "test": (test.images, test.labels, torch.zeros(len(test.labels), dtype=torch.bool)),
    }
    tables = []
    checkpoints: list[Checkpoint] = [*config.keep] or ["last"]
    for checkpoint, model in zip(checkpoints, trained_series(run, checkpoints), strict=True):
        iteration = checkpoint if isinstance(checkpoint, int) else run.checkpoint_iteration(checkpoint)
        for split, (pixels, classes, poisoned) in sets.items():
            found = sample_losses(model, pixels, classes, config.threat, config.seed)
            columns = {name: tensor.numpy() for name, tensor in found._asdict().items()}
            table = pd.DataFrame({**columns, "poisoned": poisoned.numpy()})
            tables.append(table.assign(iteration=iteration, split=split, sample=range(len(table))))
    return pd.concat(tables, ignore_index=True)
