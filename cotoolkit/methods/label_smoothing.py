"""Label smoothing around any method: some of a label's mass goes to other classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._terms.smoothing import Spread, smoothed_targets
from cotoolkit.methods.base import METHODS, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.methods.wrapper import Wrapper


@METHODS.register("label_smoothing")
@dataclass(frozen=True, config=STRICT)
class LabelSmoothing(Wrapper):
    """Train the inner method on soft targets: the label keeps 1 - smoothing, other classes share the rest.

    The targets are those of the losses that are trained on; attacks go on by labels, as in the released codes, but for
    methods that take targets of their own, whose place these take, and for SORA, which compares two gradients of one
    loss. The record's losses are those that the attack raised.

    >>> LabelSmoothing(inner="rs_fgsm", spread="random").cost_per_step()
    Cost(forward=2, backward=2, double_backward=0)

    Args:
        inner: any method.
        smoothing: mass that a label gives up.
        spread: over which classes: "even" over all others (FGSM-MEP, ConvergeSmooth), "random" shares of all others,
            drawn anew for each sample (LIET), or "all" classes evenly, the label's too, as torch's does.

    Raises:
        ConfigError: from a step: the batch does not say how many classes there are.
    """

    smoothing: Share = 0.4
    spread: Spread = "even"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Szegedy et al., CVPR 2016; in single-step training FGSM-MEP, ECCV 2022, LIET, ICCV 2025"
    family: ClassVar[Family] = "wrapper"
    formula: ClassVar[str] = "the inner method with targets (1 - s) onehot(y) + s u,  u of other classes"
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours",
        "smoothing": "code of FGSM-MEP and of FastAT: 0.6 stays on the label",
        "spread": "code of FGSM-MEP: even",
    }

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        if batch.classes is None:
            raise ConfigError("method label_smoothing: this batch does not say how many classes there are")
        targets = smoothed_targets(batch.labels, batch.classes, self.smoothing, self.spread, batch.generator)
        return self.inner.step(model, replace(batch, targets=targets), update)
