"""Interventions on the labels."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.numbers import Share
from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention, InterventionError


@INTERVENTIONS.register("label_noise")
@dataclass(frozen=True, config=STRICT)
class LabelNoise(Intervention):
    """Make labels wrong, each independently with probability `rate`; for training data only.

    The draws are per label (Bernoulli): the share of wrong labels is `rate` on average, not exactly, and does not
    depend on how the data are cut into batches. A drawn label always changes.

    Args:
        rate: probability of a wrong label, in [0, 1].
        kind: `symmetric` draws one of the other classes uniformly; `pair` takes the next class, y + 1 modulo classes.

    Raises:
        InterventionError: when called without `classes`, or with fewer than two.
    """

    needs_labels: ClassVar[bool] = True
    random: ClassVar[bool] = True
    train_only: ClassVar[bool] = True

    rate: Share
    kind: Literal["symmetric", "pair"] = "symmetric"

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        assert labels is not None
        assert generator is not None
        if classes is None or classes < 2:
            raise InterventionError("label_noise needs the number of classes, two or more: pass classes=10")
        count, device = (len(labels),), generator.device
        shift = (torch.rand(count, generator=generator, device=device, dtype=torch.float32) < self.rate).long()
        if self.kind == "symmetric":
            shift *= torch.randint(1, classes, count, generator=generator, device=device)
        return images, ((labels.long() + shift.to(labels.device)) % classes).to(
            labels.dtype
        )  # narrow labels would overflow in the sum
