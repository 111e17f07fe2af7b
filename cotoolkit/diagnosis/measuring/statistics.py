"""From per-point values to numbers with intervals, and comparisons on the same points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from cotoolkit.diagnosis.measurements import AccuracyRegain, AttackComparison
from cotoolkit.diagnosis.shares import Mean, Rate
from cotoolkit.evaluation.accuracy import Accuracy
from cotoolkit.evaluation.intervals import bootstrap_mean, sign_test
from cotoolkit.signals.masking import regained_accuracy


def rate_of(hits: Tensor) -> Rate:
    """Share of true values of (N,) bool, N >= 1, with its 95 % Wilson interval."""
    return Rate(**Accuracy.of(hits)._asdict())


def renamed_accuracy(logits: Tensor, labels: Tensor) -> Rate | None:
    """Accuracy if outputs were classes in another order: the order is found on every second point.

    Args:
        logits: (N, outputs).
        labels: (N,).

    Returns:
        The accuracy on the other points; None if there are none.
    """
    if len(labels) < 2:
        return None
    outputs = logits.shape[1]
    predicted, labels = logits.argmax(1).cpu(), labels.cpu()
    counts = torch.bincount(predicted[::2] * outputs + labels[::2], minlength=outputs**2).view(outputs, outputs)
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    class_of = torch.empty(outputs, dtype=torch.int64, device="cpu")
    class_of[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return rate_of(class_of[predicted[1::2]] == labels[1::2])


def mean_of(values: Tensor) -> Mean | None:
    """Mean of the finite values of (N,), with its 95 % interval (percentile bootstrap); None if there are none."""
    known = values[values.isfinite()].double().cpu()
    if len(known) == 0:
        return None
    low, high = bootstrap_mean(known)
    return Mean(value=float(known.mean()), low=low, high=high, median=float(known.median()), points=len(known))


def accuracy_regain(strengths: Sequence[float], correct: Tensor) -> AccuracyRegain:
    """The largest rise of a sweep.

    Args:
        strengths: (K,), growing.
        correct: (K, N) bool, a row per strength.

    Returns:
        The rise, from which strength to which, and how sure it is.
    """
    regained = regained_accuracy(correct)
    strong = int(regained.argmax())
    weak = int(correct[: strong + 1].float().mean(1).argmin())
    gained, lost = rate_of(correct[strong] & ~correct[weak]), rate_of(correct[weak] & ~correct[strong])
    return AccuracyRegain(
        weak=strengths[weak],
        strong=strengths[strong],
        accuracy=float(correct[strong].float().mean()),
        rise=float(regained[strong]),
        low=gained.low - lost.high,
        high=gained.high - lost.low,
        p_value=_more_often(correct[weak], correct[strong]),
    )


def compare_attacks(challenger: str, champion: str, held_challenger: Tensor, held_champion: Tensor) -> AttackComparison:
    """Whether an attack fools points that another does not; both (N,) bool, True where the attack failed.

    Args:
        challenger: name of the attack that is held against the other.
        champion: name of the other.
        held_challenger: (N,) bool, True where the challenger failed.
        held_champion: (N,) bool, True where the champion failed.

    Returns:
        Counts of points, and the p-value that the challenger is the stronger.
    """
    return AttackComparison(
        challenger=challenger,
        champion=champion,
        only_challenger=int((held_champion & ~held_challenger).sum()),
        only_champion=int((held_challenger & ~held_champion).sum()),
        unfooled=int(held_champion.sum()),
        p_value=_more_often(held_challenger, held_champion),
    )


def _more_often(fewer: Tensor, more: Tensor) -> float:
    """One-sided p-value that `more` is true more often than `fewer`, on the points where the two differ; 1 if none."""
    return sign_test(int((more & ~fewer).sum()), int((fewer & ~more).sum()))


def quartiles(values: Tensor) -> tuple[float | None, float | None, float | None]:
    """Lower quartile, median and upper quartile of the finite values of (N,)."""
    known = values[values.isfinite()].double()
    if len(known) == 0:
        return None, None, None
    places = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64, device=known.device)
    low, middle, high = known.quantile(places).tolist()
    return low, middle, high
