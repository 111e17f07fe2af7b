"""Attacks inside a threat model: gradient steps, margin losses, and the square attack, which needs no gradient."""

from cotoolkit.attacks.gradient import AttackResult, fgsm, input_gradient, n_fgsm, pgd, rs_fgsm
from cotoolkit.attacks.margin import margin_attack
from cotoolkit.attacks.square import square_attack
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.models.modes import attack_mode

__all__ = [
    "AttackResult",
    "ThreatModel",
    "attack_mode",
    "fgsm",
    "input_gradient",
    "margin_attack",
    "n_fgsm",
    "pgd",
    "rs_fgsm",
    "square_attack",
]
