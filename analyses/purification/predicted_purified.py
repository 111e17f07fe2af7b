"""What the theory predicts of adversarial training from clean weights, and of what cannot be purified: P8-P16."""

from __future__ import annotations

import numpy as np

from analyses.purification.baselines import NAMES
from analyses.purification.predictions import Look, Predictions, Values, make_claim, share

PURIFIED = Predictions()


def _ratio(at: Look, stage: str, statistic: str) -> Values:
    """A statistic of a stage in units of the clean net's."""
    return share(at(stage, statistic), at("clean", statistic))


def _recovered(at: Look, stage: str, attack: str = "accuracy_pgd") -> Values:
    """Share of the clean net's loss to an attack that a stage wins back; 1 is the clean net's clean accuracy."""
    before = at("clean", attack)
    return share(at(stage, attack) - before, at("clean", "accuracy_clean") - before)


@PURIFIED.add(make_claim(
    "P8-mixture", "FGM training removes the mixture", "eps after, in units of before", "below", 0.5, 1, "S",
    "most of it goes",
))  # fmt: skip
def _mixture(at: Look) -> Values:
    return _ratio(at, "fgm", "epsilon")


@PURIFIED.add(make_claim(
    "P8-mass", "and the mixture's energy", "mix-mass after, in units of before", "below", 0.25, 1, "S",
    "the square of one half",
))  # fmt: skip
def _mass(at: Look) -> Values:
    return _ratio(at, "fgm", "mass")


@PURIFIED.add(make_claim(
    "P8-feature", "while the feature stays", "mean |alpha| after, in units of before", "above", 0.5, 0, "S",
    "most of it stays",
))  # fmt: skip
def _feature(at: Look) -> Values:
    return _ratio(at, "fgm", "alpha")


@PURIFIED.add(make_claim(
    "P8-participation", "so that units become single atoms", "participation ratio less 1, in units of before", "below",
    0.5, 1, "S", "most of the excess over one atom goes",
))  # fmt: skip
def _participation(at: Look) -> Values:
    return share(at("fgm", "participation") - 1, at("clean", "participation") - 1)


@PURIFIED.add(make_claim(
    "P9-angle", "purifying moves weights less than learning did", "angle (wc, wa) in units of angle (w0, wc)", "below",
    0.75, 1, "S", "clearly less than 1",
))  # fmt: skip
def _angle(at: Look) -> Values:
    return share(at("fgm", "angle_clean"), at("clean", "angle_initial"))


@PURIFIED.add(make_claim(
    "P9-kept", "most of most units is kept", "fraction of living units with q < 1", "above", 0.5, 0, "S", "most units",
))  # fmt: skip
def _kept(at: Look) -> Values:
    return at("fgm", "within_45")


@PURIFIED.add(make_claim(
    "P10-direction", "what is removed is the shared mixture", "|cos| of its top direction with D_w", "above", 0.9, 0,
    "R-high", "nearly one direction",
))  # fmt: skip
def _direction(at: Look) -> Values:
    return at("fgm", "removed_cosine")


@PURIFIED.add(make_claim(
    "P10-share", "and one direction of it stands out",
    "top share of the removed energy, in units of a random matrix's", "above", 3, 1,
    "R-high; of low rank: S", "several times chance",
))  # fmt: skip
def _share(at: Look) -> Values:
    return at("fgm", "removed_share_over_null")


@PURIFIED.add(make_claim(
    "P11-recovery", "FGM training is robust to PGD at its radius", "share of the clean net's loss to PGD won back",
    "above", 0.5, 0, "S", "most of it, where the theorem has all",
))  # fmt: skip
def _recovery(at: Look) -> Values:
    return _recovered(at, "fgm")


@PURIFIED.add(make_claim(
    "P11-gap", "PGD finds nothing that FGM does not", "FGM less PGD accuracy of the FGM-trained net", "below", 0.01, 0,
    "S", "a tenth of the loss that P6-loss asks for",
))  # fmt: skip
def _gap(at: Look) -> Values:
    return at("fgm", "accuracy_fgm") - at("fgm", "accuracy_pgd")


@PURIFIED.add(make_claim(
    "P11-pgd", "training with PGD gives nothing more than FGM", "PGD accuracy, PGD- less FGM-trained, same steps",
    "below", 0.01, 0, "D", "a tenth of the loss that P6-loss asks for",
))  # fmt: skip
def _pgd(at: Look) -> Values:
    return at("pgd", "accuracy_pgd") - at("fgm_short", "accuracy_pgd")


@PURIFIED.add(make_claim(
    "P12-mixture", "clean training for longer does not purify", "eps after, in units of before", "above", 0.9, 1,
    "R-med", "no fall by as much as a tenth",
))  # fmt: skip
def _continued(at: Look) -> Values:
    return _ratio(at, "clean_on", "epsilon")


@PURIFIED.add(make_claim(
    "P12-recovery", "nor make robust", "share of the loss to PGD won back by clean training for longer", "below", 0.25,
    0, "R-med", "half of what P11-recovery asks of FGM",
))  # fmt: skip
def _continued_recovery(at: Look) -> Values:
    return _recovered(at, "clean_on")


@PURIFIED.add(make_claim(
    "P13-cosine", "perturbations turn away from the dense direction", "fall of their mean cosine with -y D_w", "above",
    0.1, 0, "R-med", "a tenth of the whole range",
))  # fmt: skip
def _cosine(at: Look) -> Values:
    return at("clean", "universal_cosine") - at("fgm", "universal_cosine")


@PURIFIED.add(make_claim(
    "P13-active", "and towards the sample's own atoms", "energy on active atoms, in units of before", "above", 1.5, 1,
    "R-med", "half as much again",
))  # fmt: skip
def _active(at: Look) -> Values:
    return _ratio(at, "fgm", "active_energy")


def _gain_of(name: str) -> None:
    @PURIFIED.add(make_claim(
        f"P14-{name.replace('_', '-')}", f"FGM training does nothing for the {name.replace('_', ' ')} model",
        "PGD accuracy, trained on with FGM less trained on clean",
        "below", 0.02, 0, "S", "a fifth of the loss that P6-loss asks for",
    ))  # fmt: skip
    def _gain(at: Look) -> Values:
        return at(f"{name}+at", "accuracy_pgd") - at(f"{name}+on", "accuracy_pgd")


for _name in NAMES:
    _gain_of(_name)


@PURIFIED.add(make_claim(
    "P14-best", "no low-complexity model reaches the purified net", "PGD accuracy, purified net less the best of them",
    "above", 0.05, 0, "S", "half of the loss that P6-loss asks for",
))  # fmt: skip
def _best(at: Look) -> Values:
    models = [at(name + way, "accuracy_pgd") for name in NAMES for way in ("", "+on", "+at")]
    best: Values = np.max(models, axis=0)
    return at("fgm", "accuracy_pgd") - best


@PURIFIED.add(make_claim(
    "P15-restored", "the mixture put back undoes the purification", "share of the gain under FGM that is lost", "above",
    0.5, 0, "D", "most of it",
))  # fmt: skip
def _restored(at: Look) -> Values:
    after = at("fgm", "accuracy_fgm")
    return share(after - at("edits", "restored_fgm"), after - at("clean", "accuracy_fgm"))


@PURIFIED.add(make_claim(
    "P15-removed", "the mixture taken out does what training does", "share of the gain under -y D_w that is reached",
    "above", 0.5, 0, "D", "most of it",
))  # fmt: skip
def _removed(at: Look) -> Values:
    before = at("clean", "accuracy_universal")
    return share(at("edits", "removed_universal") - before, at("fgm", "accuracy_universal") - before)


@PURIFIED.add(make_claim(
    "P16-mixture", "FGSM training (linf) removes the mixture too", "eps after, in units of before", "below", 0.5, 1,
    "R-med", "most of it goes",
))  # fmt: skip
def _linf_mixture(at: Look) -> Values:
    return _ratio(at, "linf", "epsilon")


@PURIFIED.add(make_claim(
    "P16-recovery", "and is robust to PGD (linf)", "share of the clean net's loss to PGD (linf) won back", "above", 0.5,
    0, "R-med", "most of it",
))  # fmt: skip
def _linf_recovery(at: Look) -> Values:
    return _recovered(at, "linf", "accuracy_pgd_linf")


@PURIFIED.add(make_claim(
    "P16-gap", "where PGD finds nothing that FGSM does not", "FGSM less PGD accuracy of the FGSM-trained net", "below",
    0.01, 0, "R-med", "a tenth of the loss that P6-loss asks for",
))  # fmt: skip
def _linf_gap(at: Look) -> Values:
    return at("linf", "accuracy_fgm_linf") - at("linf", "accuracy_pgd_linf")
