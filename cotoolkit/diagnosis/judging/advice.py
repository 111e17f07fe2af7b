"""What a verdict means and what to do next, in plain words."""

from __future__ import annotations

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.judging.attack_quality import settled
from cotoolkit.diagnosis.judging.evidence import learned, misnumbered, randomised
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.schema import CO, INCONCLUSIVE, MASKING, NOT_ROBUST, ROBUST, Label

MEANINGS: dict[Label, str] = {
    ROBUST: "Its predictions withstand all attacks that were tried at this radius.",
    CO: "It withstands the single-step attack and nothing else.",
    MASKING: "Its gradients mislead attacks; numbers from gradient attacks say nothing about it.",
    NOT_ROBUST: "Attacks fool it; whether it was robust once, only its log or its earlier checkpoints can say.",
    INCONCLUSIVE: "These measurements do not decide.",
}

GO_BACK = (
    "Go back to a checkpoint from before the break (the best by PGD accuracy; cotoolkit diagnose-log dates the "
    "break), and go on with N-FGSM, GradAlign, more attack steps or a smaller radius. Never choose a checkpoint by "
    "FGSM accuracy."
)
WITHOUT_CHANCE = (
    "Switch the randomness off, or replace it by its mean, and diagnose again: until then every accuracy is a draw, "
    "and attacks have to average over it."
)
MEND = (
    "Find where the model makes nan or infinite values (a division by 0, a logarithm or root of 0, half precision that "
    "overflows, damaged weights), mend it, and diagnose again."
)
TRAIN = (
    "Train it adversarially if it was not; if it was, check that training attacked the norm, radius and pixel range of "
    "this diagnosis on images normalised as here (mean, std), and that these are the weights that were meant."
)


def advice(found: Measurements, label: Label) -> str:
    """What to do next.

    Args:
        found: all measurements.
        label: of the verdict on them.

    Returns:
        One or two sentences.
    """
    if label == ROBUST:
        return _of_the_robust(found)
    if label == MASKING:
        return WITHOUT_CHANCE if randomised(found) else _of_the_masked(found)
    if label == INCONCLUSIVE:
        return _of_the_undecided(found)
    unlearned = "Check the weights, the normalisation and the labels first: it does not classify these images."
    return GO_BACK if label == CO else TRAIN if learned(found) else unlearned


def _of_the_robust(found: Measurements) -> str:
    quoted = f"Quote the accuracy under all attacks, {found.hardest.percent}, with its interval and protocol"
    if found.autoattack is None:
        return f"{quoted}. Before you publish it, have AutoAttack check it (--autoattack), on more points."
    return f"{quoted}. A published number takes AutoAttack on the whole test set."


def _of_the_masked(found: Measurements) -> str:
    return (
        "Quote no PGD accuracy. Diagnose the network without what hides its gradient (rounding, saturated or rescaled "
        f"outputs), or attack it by a way around that; here all attacks together leave {found.hardest.percent}."
    )


def _of_the_undecided(found: Measurements) -> str:
    if found.masking.broken_outputs >= at.BROKEN:
        return MEND
    if misnumbered(found):
        return "Bring the classes into the order of the training, and diagnose again."
    if not settled(found):
        return (
            "Spend more: a larger budget lets the attack converge, and AutoAttack (--autoattack) checks what is left."
        )
    return "Give more points (--points), or a larger budget."
