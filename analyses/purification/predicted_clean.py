"""What the theory predicts of clean-trained networks: P1-P7."""

from __future__ import annotations

import numpy as np

from analyses.purification.predictions import Look, Predictions, Values, make_claim, share

CLEAN = Predictions()


@CLEAN.add(make_claim(
    "P1-accuracy", "clean training learns the labels", "clean accuracy", "above", 0.9, 0.5, "S",
    "nine in ten, where the theorem has nearly all",
))  # fmt: skip
def _accuracy(at: Look) -> Values:
    return at("clean", "accuracy_clean")


@CLEAN.add(make_claim(
    "P1-angle", "weights end far from where they began", "angle (w0, wc), degrees", "above", 45, 0, "S",
    "halfway to the asymptotic right angle",
))  # fmt: skip
def _angle(at: Look) -> Values:
    return at("clean", "angle_initial")


@CLEAN.add(make_claim(
    "P2-pure", "a living unit is one atom plus little else", "fraction of living units that are pure", "above", 0.5, 0,
    "R-high", "most",
))  # fmt: skip
def _pure(at: Look) -> Values:
    return at("clean", "pure_of_alive")


@CLEAN.add(make_claim(
    "P2-coverage", "every atom has a unit", "fraction of atoms on top of a pure unit", "above", 0.95, 0, "R-high",
    "all but one in twenty, where the theorem has all",
))  # fmt: skip
def _coverage(at: Look) -> Values:
    return at("clean", "coverage")


@CLEAN.add(make_claim(
    "P3-sign", "the mixture is aligned with the labels", "fraction of pure units with eps > 0", "above", 0.95, 0.5,
    "R-med", "all but one in twenty; chance is one half",
))  # fmt: skip
def _sign(at: Look) -> Values:
    return at("clean", "epsilon_positive")


@CLEAN.add(make_claim(
    "P3-density", "the residual is dense, not random", "density of the residual, in units of a random one's", "above",
    3, 1, "R-med", "several times chance",
))  # fmt: skip
def _density(at: Look) -> Values:
    return at("clean", "density_over_null")


@CLEAN.add(make_claim(
    "P3-accumulated", "the units' mixtures add up in one direction", "cosine of the summed residuals with D_w", "above",
    0.9, 0, "R-med", "nearly one direction",
))  # fmt: skip
def _accumulated(at: Look) -> Values:
    return at("clean", "accumulated_cosine")


@CLEAN.add(make_claim(
    "P4-order", "the mixture is of the order k/d", "|log10 of eps/(k/d)|", "below", 0.5, 1, "D, R-med",
    "within half a power of ten of 1",
))  # fmt: skip
def _order(at: Look) -> Values:
    return np.abs(np.log10(np.maximum(at("clean", "epsilon_over_k_d"), 1e-6)))


@CLEAN.add(make_claim(
    "P5-single", "one unit's mixture alone is harmless",
    "largest change of clean accuracy by reducing one unit to its atom", "below", 0.005, 0, "R-high",
    "a twentieth of the loss that P6-loss asks for",
))  # fmt: skip
def _single(at: Look) -> Values:
    return at("edits", "single_edit_change")


@CLEAN.add(make_claim(
    "P6-loss", "the clean net is not robust", "clean less PGD accuracy of the clean net", "above", 0.1, 0, "S",
    "ten points, to a perturbation a fifth of a small active entry",
))  # fmt: skip
def _loss(at: Look) -> Values:
    return at("clean", "accuracy_clean") - at("clean", "accuracy_pgd")


@CLEAN.add(make_claim(
    "P6-universal", "one direction per label does as much as FGM", "accuracy under -y D_w less that under FGM", "below",
    0.03, 0, "R-high", "a third of the loss that P6-loss asks for",
))  # fmt: skip
def _universal(at: Look) -> Values:
    return at("clean", "accuracy_universal") - at("clean", "accuracy_fgm")


@CLEAN.add(make_claim(
    "P6-random", "a random direction does nothing", "loss to a random direction, as a share of the loss to FGM",
    "below", 0.1, 0, "D", "a tenth",
))  # fmt: skip
def _random(at: Look) -> Values:
    clean = at("clean", "accuracy_clean")
    return share(clean - at("clean", "accuracy_random"), clean - at("clean", "accuracy_fgm"))


@CLEAN.add(make_claim(
    "P7-transfer", "adversarial examples transfer between clean nets", "accuracy on another net's FGM less on its own",
    "below", 0.03, 0, "R-med", "a third of the loss that P6-loss asks for",
))  # fmt: skip
def _transfer(at: Look) -> Values:
    return at("second", "transfer_clean") - at("clean", "accuracy_fgm")


@CLEAN.add(make_claim(
    "P7-cosine", "independent clean nets have the same perturbations", "mean cosine of two nets' FGM perturbations",
    "above", 0.9, 0, "R-med", "nearly one direction",
))  # fmt: skip
def _cosine(at: Look) -> Values:
    return at("second", "perturbation_cosine")
