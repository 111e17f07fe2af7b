"""Whether the attacks did their work: converged, not beaten by stronger ones, confirmed by a second opinion."""

from __future__ import annotations

from collections.abc import Iterator

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.schema import INCONCLUSIVE, MASKING, OURS, ROBUST, Evidence


def settled(found: Measurements) -> bool:
    """Whether nothing was still falling when the attacks ended, or a second opinion has looked at what was left.

    Args:
        found: all measurements.

    Returns:
        Whether PGD has converged and the targeted attack found hardly a point in its later half, or AutoAttack ran.
    """
    return found.autoattack is not None or (found.convergence.converged and found.late.value <= at.FALLING)


def overrated_by(found: Measurements) -> float:
    """By how much the strongest plain PGD overrates the network: its accuracy minus that under everything."""
    return found.strong[0].accuracy.value - found.hardest.value


def missed_by_ours(found: Measurements) -> float:
    """Share of the few points that AutoAttack fools and no attack of ours; 0 where it did not run."""
    return found.worst.value - found.hardest.value


def attack_evidence(found: Measurements) -> Iterator[Evidence]:
    """What is known about the attacks themselves.

    Args:
        found: all measurements.

    Returns:
        One observation after the other.
    """
    yield _on_convergence(found)
    late = found.late
    if late.value > at.FALLING and found.autoattack is None:
        yield Evidence.of_rate(
            "the last attack still falls", late, at.FALLING, OURS, (INCONCLUSIVE,), (ROBUST,),
            f"{late.percent} of the points fell in the later half of the targeted attack: more targets find more.",
        )  # fmt: skip
    over = overrated_by(found)
    if over >= at.OVERRATED:
        yield Evidence(
            signal="plain PGD against all attacks", value=over, threshold=at.OVERRATED, source=OURS,
            supports=(MASKING,), against=(ROBUST,),
            sentence=f"{found.strong[0].name} leaves {found.strong[0].accuracy.percent} right, all attacks together "
            f"{found.hardest.percent}: never quote a PGD accuracy for this network.",
        )  # fmt: skip


def _on_convergence(found: Measurements) -> Evidence:
    run = found.convergence
    accuracies = ", ".join(rate.percent for rate in run.accuracy)
    steps = ", ".join(str(count) for count in run.steps)
    course = f"PGD with {steps} steps leaves {accuracies} right"
    loss = "" if run.unsettled is None else f"; its loss still grows on {run.unsettled.percent} of what is left (I4)"
    if run.converged:
        return Evidence.of_rate(
            "attack not converged", run.falling, at.FALLING, f"{OURS}; I4: Pintor et al., NeurIPS 2022", (), (),
            f"{course}{loss}: it has converged.",
        )  # fmt: skip
    return Evidence.of_rate(
        "attack not converged", run.falling, at.FALLING, f"{OURS}; I4: Pintor et al., NeurIPS 2022",
        (INCONCLUSIVE,) if found.autoattack is None else (), (ROBUST,),
        f"{course}{loss}: it had not converged when the budget ended, and its number says nothing.",
    )  # fmt: skip
