"""The networks of the zoo: how each is trained, what is then built around it, and how it is attacked for the truth.

What a network is *meant* to be decides only whether its gradients are hidden and whether one step trained it. Its truth
is measured (`truth.py`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Kind = Literal["collapsed", "half-collapsed", "recovered", "robust", "clean", "masked", "random", "overrated"]
"""What a network is meant to be.

collapsed: by catastrophic overfitting. half-collapsed: on the way there. recovered: trained on after a collapse.
overrated: by methods after whose collapse PGD-50 reads far too much, in published logs. masked, random: built by hand.
"""

Layer = Literal["quantised", "noisy", "saturated", "softmax", "dropout"]
"""What is built around a network, see `networks.py`."""

SAME_ANSWERS: tuple[Layer | None, ...] = (None, "saturated", "softmax")
"""Layers that change no prediction: what fools the network inside fools the whole, and nothing else does."""

CONSTANT = {"kind": "constant"}

DIGITS: dict[str, Any] = {
    "data": {"name": "digits"},
    "model": {"name": "small_cnn"},
    "epsilon": 0.25,
    "epochs": 24,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
}
"""480 iterations. Where a feature is injected, images leave [0, 1] in training; the zoo attacks test images that have
it, clamped to [0, 1]."""

FASHION: dict[str, Any] = {
    "data": {"name": "fashion_mnist", "train_size": 2500, "test_size": 500},
    "model": {"name": "small_cnn", "width": 8},
    "epsilon": 0.2,
    "epochs": 8,
    "batch_size": 64,
    "learning_rate": 0.05,
    "schedule": {"kind": "cyclic", "peak": 0.3},
}
"""312 iterations, at a radius at which FGSM training breaks on images as they are."""

CIFAR: dict[str, Any] = {
    "data": {"name": "cifar10", "train_size": 4000, "test_size": 300},
    "epsilon": "16/255",
    "epochs": 8,
    "batch_size": 64,
}

SINGLE: dict[str, Any] = {
    **CIFAR,
    "model": {"name": "single_layer_cnn"},
    "normalise": "none",
    "optimizer": {"name": "adam"},
    "learning_rate": 0.003,
    "weight_decay": 0,
    "schedule": {"kind": "cyclic", "peak": 0.4},
}
"""The smallest network with natural catastrophic overfitting (Andriushchenko & Flammarion, 2020), on 4,000 images."""

THIN: dict[str, Any] = {
    **CIFAR,
    "data": {"name": "cifar10", "train_size": 1500, "test_size": 300},
    "model": {"name": "preact_resnet18", "width": 8},
    "epochs": 6,
    "learning_rate": 0.1,
    "schedule": {"kind": "cyclic", "peak": 0.4},
}
"""PreActResNet-18 with an eighth of its channels, on 1,500 images."""

INJECTED = {"intervention": {"name": "inject", "carrier": "paired", "beta": 0.15}, "box": "none"}
"""A feature per class, with which FGSM training on digits breaks in nearly every seed."""


def pgd_training(steps: int) -> dict[str, Any]:
    """PGD training, as a configuration's method."""
    return {"name": "pgd", "steps": steps}


RECIPES: dict[str, dict[str, Any]] = {
    "digits-fgsm": {**DIGITS, **INJECTED, "method": "fgsm"},
    "digits-fgsm-wide": {
        **DIGITS,
        **INJECTED,
        "method": "fgsm",
        "epsilon": 0.3,
        "model": {"name": "small_cnn", "width": 32},
    },
    "digits-mlp": {**DIGITS, **INJECTED, "method": "fgsm", "model": {"name": "mlp"}},
    "digits-clean": {**DIGITS, "method": "standard"},
    "digits-pgd": {**DIGITS, "method": pgd_training(5)},
    "digits-n": {**DIGITS, "method": "n_fgsm", "epsilon": 0.2},
    "digits-ssat": {**DIGITS, **INJECTED, "method": "ssat"},
    "digits-elle": {**DIGITS, **INJECTED, "method": {"name": "elle", "weight": 1.0}},
    "fashion-fgsm": {**FASHION, "method": "fgsm"},
    "fashion-clean": {**FASHION, "method": "standard"},
    "fashion-ssat": {**FASHION, "method": "ssat"},
    "cifar-single-fgsm": {**SINGLE, "method": "fgsm"},
    "cifar-thin-fgsm": {**THIN, "method": "fgsm"},
}
"""Runs of the engine, by name."""

After = Literal["training", "half", "recovery", "distillation"]
"""Which network of a recipe: the last one; halfway between those before and after the break; the last one after PGD
training that goes on from it; or one that was distilled."""


class ZooNetwork(NamedTuple):
    """A network of the zoo.

    Attributes:
        name: of it alone.
        kind: what it is meant to be.
        recipe: a key of `RECIPES`.
        after: which network of it.
        layer: what is built around it; None for nothing.
        radius: of the attacks; None is that of the training.
    """

    name: str
    kind: Kind
    recipe: str
    after: After = "training"
    layer: Layer | None = None
    radius: float | None = None

    @property
    def subject(self) -> str:
        """What the truth is about: networks with the same answers at the same radius have one truth."""
        words = (self.recipe, self.after, *(() if self.layer in SAME_ANSWERS else (self.layer,)))
        return "-".join(words) if self.radius is None else f"{'-'.join(words)}-{self.radius:g}"

    @property
    def hides(self) -> bool:
        """Whether its gradients are hidden on purpose."""
        return self.kind in ("masked", "random")

    @property
    def one_step(self) -> bool:
        """Whether one gradient step made the examples it trained on."""
        return self.kind in ("collapsed", "half-collapsed", "overrated")


ZOO = (
    ZooNetwork("digits, FGSM", "collapsed", "digits-fgsm"),
    ZooNetwork("digits, FGSM, width 32", "collapsed", "digits-fgsm-wide"),
    ZooNetwork("Fashion, FGSM", "collapsed", "fashion-fgsm"),
    ZooNetwork("CIFAR, one convolution, FGSM", "collapsed", "cifar-single-fgsm"),
    ZooNetwork("CIFAR, thin PreActResNet, FGSM", "collapsed", "cifar-thin-fgsm"),
    ZooNetwork("digits, FGSM, halfway", "half-collapsed", "digits-fgsm", "half"),
    ZooNetwork("digits, FGSM, width 32, halfway", "half-collapsed", "digits-fgsm-wide", "half"),
    ZooNetwork("digits, FGSM, then PGD", "recovered", "digits-fgsm", "recovery"),
    ZooNetwork("digits, PGD", "robust", "digits-pgd"),
    ZooNetwork("digits, FGSM, MLP", "robust", "digits-mlp", radius=0.15),
    ZooNetwork("digits, N-FGSM", "robust", "digits-n"),
    ZooNetwork("digits, clean", "clean", "digits-clean"),
    ZooNetwork("Fashion, clean", "clean", "fashion-clean"),
    ZooNetwork("digits, clean, quantised", "masked", "digits-clean", layer="quantised"),
    ZooNetwork("digits, clean, saturated", "masked", "digits-clean", layer="saturated"),
    ZooNetwork("digits, PGD, saturated", "masked", "digits-pgd", layer="saturated"),
    ZooNetwork("digits, FGSM, saturated", "masked", "digits-fgsm", layer="saturated"),
    ZooNetwork("digits, clean, softmax", "masked", "digits-clean", layer="softmax"),
    ZooNetwork("digits, FGSM, softmax", "masked", "digits-fgsm", layer="softmax"),
    ZooNetwork("digits, distilled", "masked", "digits-clean", "distillation"),
    ZooNetwork("digits, clean, noisy", "random", "digits-clean", layer="noisy"),
    ZooNetwork("digits, clean, dropout", "random", "digits-clean", layer="dropout"),
    ZooNetwork("digits, SSAT", "overrated", "digits-ssat"),
    ZooNetwork("digits, ELLE", "overrated", "digits-elle"),
    ZooNetwork("Fashion, SSAT", "overrated", "fashion-ssat"),
)
"""All of them."""
