"""Logits recovered from outputs that are probabilities.

Attacks follow the cross-entropy and the margin of a network's outputs. Where these have gone through a softmax or
sigmoids, and perhaps a factor (percent), both are nearly flat far from the boundary: the attack starves, and the
network looks robust. A link function (McCullagh & Nelder, Generalized Linear Models, 1989) takes probabilities back to
logits: the logarithm where classes exclude each other, the log-odds where each has a probability of its own. It grows
strictly, so the order of the outputs, and with it what counts as right, is that of the network.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from cotoolkit.intake.findings import Finding, handled, warning

LinkName = Literal["identity", "log", "log-odds"]
"""From outputs to what attacks follow. `log` is that up to a constant: of the ratio to the greatest output."""

ROUNDING = 5e-3
"""How far, as a share, sums of probabilities may lie apart: bfloat16 inside the model rounds by up to 4e-3."""

BELOW = 1e-6
"""How far, as a share of what they sum to, probabilities may lie outside their range: what 1 minus the others leaves is
rounded."""

CEILINGS = {1.0: "probability", 100.0: "percentage"}
"""What outputs between 0 and here can be, if the greatest is above the half: more likely than not."""

NO_LOGITS = 0.2
"""Standard deviation of sums of probabilities, at most, in units of that of a class: rounding alone moves them."""

TINY = torch.finfo(torch.float32).tiny
LEAST = 1e-30
"""Ratio to the greatest output below which the logarithm goes on as a straight line: its slope stays finite in float32,
and the gradient through the probability proportional to the true one until the probability itself is 0."""

SMALLEST_GAP = 2.0**-25
"""Half the distance from 1 to the next smaller float32: what 1 - p is taken for where p is 1."""


class Link(NamedTuple):
    """How logits are recovered.

    Attributes:
        name: of the function.
        total: what the outputs of an image sum to (`log`), or the greatest value that each can take (`log-odds`).
    """

    name: LinkName
    total: float = 1.0


def link_of(outputs: Tensor) -> tuple[Link, list[Finding]]:
    """Which link the outputs of some images call for.

    Rows that are not finite are left out. Outputs that are nowhere negative and sum to a constant are probabilities of
    classes that exclude each other, times that constant. One other than 1 and 100 counts only where the greatest output
    is more than halfway from chance to all of it: logits with a large offset sum to nearly one number, too, and all of
    them stay near chance. Others between 0 and 1, or 100, are taken for one probability each. Those are nowhere 0 in a
    sigmoid; a ReLU's zeros have no log-odds that an attack could follow.

    Args:
        outputs: (N, classes).

    Returns:
        The link, and a finding, or none for the identity.
    """
    known = _finite(outputs)
    if len(known) == 0:
        return Link("identity"), []
    sums = known.sum(1)
    total = float(sums.median())
    if known.min() < -BELOW * abs(total):
        return Link("identity"), []
    shares = any(abs(total / usual - 1) <= ROUNDING for usual in CEILINGS)
    sure = known.max() > (1 + 1 / known.shape[1]) / 2 * total
    if total > 0 and (sums - total).abs().max() <= ROUNDING * total and (shares or sure):
        kind = "probabilities" if abs(total - 1) <= ROUNDING else f"probabilities times {total:.5g}"
        text = f"the model returns {kind}, which hide gradients from attacks; these follow their logarithms, which are"
        return Link("log", total), [handled(f"{text} its logits up to a constant, FGSM included")]
    for ceiling, name in CEILINGS.items():
        if known.min() > 0 and ceiling / 2 < known.max() <= ceiling * (1 + BELOW):
            text = f"the model seems to return a {name} for each class by itself; attacks follow the log-odds, FGSM"
            return Link("log-odds", ceiling), [
                warning(f"{text} included: give the network without its last function to be sure")
            ]
    return Link("identity"), []


def exclude_each_other(outputs: Tensor) -> bool:
    """Whether outputs are surely probabilities of classes that exclude each other, and not small logits.

    Those of an untrained network may be positive and hardly move, and so hardly does their sum; but a sum of
    probabilities moves far less than each of them.

    Args:
        outputs: (N, classes).
    """
    known = _finite(outputs)
    link, _ = link_of(known)
    return link.name == "log" and bool(known.sum(1).std() < NO_LOGITS * known.std(0).amax())


def _finite(outputs: Tensor) -> Tensor:
    return outputs[outputs.isfinite().all(1)].detach().double()


def recovered(outputs: Tensor, link: Link) -> Tensor:
    """The outputs through the link, row by row; rows that are no probabilities, or not finite, as they are.

    The greatest output of a row goes to exactly 0 under `log`, and others below it, so that rounding makes no ties. The
    shift by its own value changes neither cross-entropy nor margin, nor their gradients.

    Args:
        outputs: (B, classes).
        link: as `link_of` found it.

    Returns:
        (B, classes), what attacks follow.
    """
    if link.name == "identity":
        return outputs
    inside = (outputs >= -BELOW * link.total) & outputs.isfinite()
    if link.name == "log-odds":
        inside &= outputs <= link.total * (1 + BELOW)
    inside = inside.all(1, keepdim=True)
    safe = outputs.where(inside, link.total / 2)  # logarithms elsewhere would put nan into the gradient
    safe = safe.clamp(min=0)
    greatest = safe.detach().amax(1, keepdim=True).clamp(min=TINY)
    ratio = safe / greatest
    logits = ratio.clamp(min=LEAST).log() + (ratio.clamp(max=LEAST) - LEAST) / LEAST
    if link.name == "log-odds":
        logits = logits - _log_complement(safe, link.total) + _log_complement(greatest, link.total)
    return logits.where(inside, outputs)


def _log_complement(outputs: Tensor, total: float) -> Tensor:
    return (1 - outputs / total).clamp(min=SMALLEST_GAP).log()
