"""Natural catastrophic overfitting of the smallest network: one convolution, FGSM, all of CIFAR-10.

Source: Andriushchenko & Flammarion, NeurIPS 2020, section 4 and appendix: depth is not what it takes. Optimiser, rate,
schedule and initialisation are theirs; one thousand training images are held out for the probe.
"""

from __future__ import annotations

from cotoolkit.study import Study

EPOCHS = 30

WIDTHS = {16: "10/255", 4: "16/255"}
"""Filters, and the radius at which networks of that width break."""

BASE = {
    "data": {"name": "cifar10", "augment": "crop_flip", "holdout": 1000},
    "normalise": "none",
    "method": "fgsm",
    "optimizer": "adam",
    "learning_rate": 0.003,
    "schedule": {"peak": 0.4},
    "epochs": EPOCHS,
    "batch_size": 128,
    "monitor": {"interval": 100, "points": 512, "trace_every": 1},
    "evaluation": ("clean", "fgsm", "pgd-50-10"),
}

STUDY = Study(
    name="natural_break",
    question="Does FGSM training break on natural images in a network of one convolution?",
    scale="laptop",
    base=BASE,
    grids=tuple(
        {"model": ({"name": "single_layer_cnn", "width": width},), "epsilon": (radius,), "seed": (0, 1, 2)}
        for width, radius in WIDTHS.items()
    ),
)
