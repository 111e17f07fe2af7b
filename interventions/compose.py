"""Several interventions in a row, and the box at the end of it."""

from __future__ import annotations

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention, InterventionField


@INTERVENTIONS.register("compose")
@dataclass(frozen=True, config=STRICT)
class Compose(Intervention):
    """Apply `parts` from left to right, with one generator that all of them draw from in turn. Order matters.

    Without parts it is the identity. Its flags are those of its parts: any of them for all flags but `train_only` and
    `differentiable`, which need every part.

    Args:
        parts: interventions, each a name or a mapping with a name.
    """

    parts: tuple[InterventionField, ...] = ()

    @property
    def needs_labels(self) -> bool:  # type: ignore[override]
        """Whether a part needs labels."""
        return any(part.needs_labels for part in self.parts)

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether a part is random."""
        return any(part.random for part in self.parts)

    @property
    def train_only(self) -> bool:  # type: ignore[override]
        """Whether all parts are for training data only."""
        return bool(self.parts) and all(part.train_only for part in self.parts)

    @property
    def mixes_images(self) -> bool:  # type: ignore[override]
        """Whether a part mixes images."""
        return any(part.mixes_images for part in self.parts)

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """Whether gradients pass through all parts."""
        return all(part.differentiable for part in self.parts)

    def at_test(self) -> Compose:
        """The same without the parts that are for training data only."""
        return Compose(tuple(part.at_test() for part in self.parts if not part.train_only))

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        for part in self.parts:
            images, labels = part(images, labels, generator, classes=classes)
        return images, labels

    @override
    def inside_a_model(self, images: Tensor, classes: int | None = None) -> Tensor:
        for part in self.parts:
            images = part.inside_a_model(images, classes)
        return images


@INTERVENTIONS.register("clip")
@dataclass(frozen=True, config=STRICT)
class Clip(Intervention):
    """Clamp the images to the box [0, 1]: the one way to clip here.

    The paper does not clip (known from the released code), so injected images leave the box: at beta = 8/255 about 2 %
    of CIFAR-10's entries do.
    """

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        return images.clamp(0, 1), labels
