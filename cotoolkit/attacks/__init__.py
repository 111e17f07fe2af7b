"""Attacks inside a threat model: gradient steps, margin losses, and the square attack, which needs no gradient.

The functions of this package check and convert the model, images and labels that they are given: they take what
`cotoolkit.evaluation.evaluate` takes, with `mean`, `std`, `bounds`, `forward` and `binary` as keywords. Those of its
modules, such as `cotoolkit.attacks.gradient.fgsm`, are the same without any check, for methods in a training step.
A loop makes its model once, `model = image_model(network, shape=(3, 32, 32))`, so that it is probed once.
"""

from cotoolkit.attacks import gradient, margin, square
from cotoolkit.attacks.checked import checked
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.attacks.threat_model import ThreatModel

fgsm = checked(gradient.fgsm)
rs_fgsm = checked(gradient.rs_fgsm)
n_fgsm = checked(gradient.n_fgsm)
pgd = checked(gradient.pgd)
margin_attack = checked(margin.margin_attack)
square_attack = checked(square.square_attack, gradient=False)

__all__ = [
    "AttackResult",
    "ThreatModel",
    "fgsm",
    "margin_attack",
    "n_fgsm",
    "pgd",
    "rs_fgsm",
    "square_attack",
]
