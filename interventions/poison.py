"""Poison: part of the training points corrupted, once and for all."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from annotated_types import Ge
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.numbers import Share, Whole
from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention, InterventionError


@INTERVENTIONS.register("poison")
@dataclass(frozen=True, config=STRICT)
class Poison(Intervention):
    """Corrupt a share of the points; for training data only.

    Of B points exactly share * B are corrupted. Where that is no whole number it is rounded up or down at random, so
    that it is right on average; the engine passes a training set in chunks of 1024. Which points, and how, depends on
    the generator alone: in a training run it is the same in every epoch, whatever the augmentation. (The released code
    of Holistic Robust training draws a new wrong label at each visit, which cannot be memorised.) With `image`, a
    batch of one stays as it is.

    Args:
        share: of the points, in [0, 1].
        kind: `label` gives a wrong label; `noise` puts uniform noise on [0, 1] in the image's place; `image` puts
            another image of the batch there, of whatever class. The last two keep the label.
        target: the wrong label of all; points of that class are corrupted only where the others do not suffice, and
            keep their label. None draws one of the other classes for each.

    Raises:
        InvalidFields: a target for a kind that keeps the labels.
        InterventionError: when called without `classes` or with fewer than two, or with the target not among them.
    """

    needs_labels: ClassVar[bool] = True
    random: ClassVar[bool] = True
    train_only: ClassVar[bool] = True

    share: Share
    kind: Literal["label", "noise", "image"] = "label"
    target: Annotated[Whole, Ge(0)] | None = None

    @model_validator(mode="after")
    def _target_of_labels(self) -> Self:
        if self.kind != "label" and self.target is not None:
            raise ValueError(f"the kind {self.kind} keeps the labels: leave out the target")
        return self

    @property
    def mixes_images(self) -> bool:  # type: ignore[override]
        """Whether an image may stand in another's place."""
        return self.kind == "image"

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        assert labels is not None
        assert generator is not None
        if classes is None or classes < 2:
            raise InterventionError("poison needs the number of classes, two or more: pass classes=10")
        if self.target is not None and self.target >= classes:
            raise InterventionError(f"poison's target {self.target} is not among the {classes} classes")
        device = generator.device
        keys = torch.rand(len(labels), generator=generator, device=device, dtype=torch.float32).to(labels.device)
        rounding = float(torch.rand((), generator=generator, device=device, dtype=torch.float32))
        if self.target is not None:
            keys = keys + (labels == self.target)
        chosen = keys.argsort(stable=True).argsort() < int(self.share * len(labels) + rounding)
        if self.kind == "label":
            return images, torch.where(chosen, self._wrong(labels, classes, generator), labels)
        if self.kind == "noise":
            other = torch.rand(images.shape, generator=generator, device=device, dtype=torch.float32).to(images)
        else:
            shift = torch.randint(1, max(len(labels), 2), (), generator=generator, device=device)
            other = images.roll(int(shift), 0)
        return torch.where(chosen.to(images.device).view(-1, 1, 1, 1), other, images), labels

    def _wrong(self, labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
        if self.target is not None:
            return torch.full_like(labels, self.target)
        shift = torch.randint(1, classes, (len(labels),), generator=generator, device=generator.device)
        # Narrow labels would overflow in the sum.
        return ((labels.long() + shift.to(labels.device)) % classes).to(labels.dtype)
