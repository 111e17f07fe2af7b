"""What the pieces of evidence write down, where they are more than a signal."""

from __future__ import annotations

from cotoolkit.diagnosis.shares import Rate, SchemaPart


class Convergence(SchemaPart):
    """PGD that went on until it found hardly anything new, or until the budget ended.

    Attributes:
        steps: after which accuracy was counted; from the second on each is twice the one before, but for the last.
        accuracy: share of points that no step had fooled by then.
        falling: share of points that fell between the last two counts.
        unsettled: of the points right in the end, the share on which the attack's loss still grew (I4); null if none
            is known.
        converged: whether both are small.
    """

    steps: tuple[int, ...]
    accuracy: tuple[Rate, ...]
    falling: Rate
    unsettled: Rate | None
    converged: bool


class Optimality(SchemaPart):
    """How good attacks are over all radii, beside the best of them: 1 is as good, 0 does nothing (AttackBench).

    Attributes:
        fgsm: of FGSM; null where no attack fools a point.
        pgd: of PGD at the same radii; null likewise.
        radii: that were compared, from 0, in units of epsilon.
    """

    fgsm: float | None
    pgd: float | None
    radii: tuple[float, ...]
