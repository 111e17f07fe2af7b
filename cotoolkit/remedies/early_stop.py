"""Wong et al.'s early stop: training ends when PGD accuracy on training points falls, with the weights before that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from pydantic.dataclasses import dataclass
from typing_extensions import override

from cotoolkit.core.numbers import Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.remedies.base import REMEDIES, Decision, Remedy


@REMEDIES.register("early_stop")
@dataclass(frozen=True, config=STRICT)
class EarlyStop(Remedy):
    """Stop when PGD accuracy on a batch of training points is more than `drop` below that of an epoch before.

    The run ends with the weights of the last epoch before the fall. The released code measures on the first batch of
    each epoch, so on other points each time, and in train mode, which moves BatchNorm's statistics; here the points
    stay the same and nothing moves.

    >>> EarlyStop().decide([0.4, 0.45, 0.26]), EarlyStop().decide([0.4, 0.45, 0.24])
    ('keep', 'stop')

    Args:
        drop: of accuracy, in [0, 1].
        against: what it falls from: the "last" measurement, or the "best" one, which also sees a slow fall.
        points: training points to measure on.
        steps: of PGD, of size epsilon / 4 from one uniform start.
    """

    drop: Share = 0.2
    against: Literal["last", "best"] = "last"
    points: Annotated[Whole, Ge(1)] = 128
    steps: Annotated[Whole, Ge(1)] = 5

    source: ClassVar[str] = "Wong et al., ICLR 2020, section 5; locuslab/fast_adversarial, train_fgsm.py --early-stop"
    constants: ClassVar[Mapping[str, str]] = {
        "drop": "code: 0.2",
        "against": "code: the epoch before",
        "points": "code: a batch of 128",
        "steps": "code: 5, of 2/255 at 8/255",
    }

    @override
    def due(self, iteration: int, epoch_length: int) -> bool:
        return iteration % epoch_length == 0

    @override
    def decide(self, accuracies: Sequence[float]) -> Decision:
        *before, now = accuracies
        if not before:
            return "keep"
        reference = before[-1] if self.against == "last" else max(before)
        return "stop" if now - reference < -self.drop else "keep"
