"""An intervention from a user's own code."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import Number
from cotoolkit.core.registry import STRICT
from cotoolkit.core.user_code import FAILURES, describe, import_callable, takes
from interventions.base import INTERVENTIONS, Intervention, InterventionError, check_changed, pixel_extremes

FARTHEST = 1.01
"""By which pixels may leave the range they had: the whole of it, and what half precision rounds."""


@INTERVENTIONS.register("own")
@dataclass(frozen=True, config=STRICT)
class OwnIntervention(Intervention):
    """A function `f(images, labels, beta)` that returns images; in text `module:function`.

    Images are (B, C, H, W) floats in [0, 1], labels (B,) integers, both copies that it may write to. The images that
    come back are floats of the same shape, in the same units; their values are not clipped, but none leaves the range
    of the images that were given, and [0, 1], by more than 1.

    Args:
        target: `module:function`.
        beta: strength, handed on; in the tables it stands as `beta`.
    """

    needs_labels: ClassVar[bool] = True

    target: str
    beta: Number = 0.0

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        """What the function returns.

        Args:
            images: (B, C, H, W).
            labels: (B,).
            generator: not used; the function draws for itself if it draws.
            classes: not used.

        Returns:
            Images (B, C, H, W), in the dtype and on the device of those given, and the labels as they came.

        Raises:
            ConfigError: there is no such function.
            InterventionError: it takes other arguments or fails; or returns something else than as many floating images
                of the same shape, pixels that are nan or infinite, or images in other units.
        """
        function = import_callable(self.target, ConfigError)
        assert labels is not None
        given = images.clone(), labels.clone(), self.beta
        if not takes(function, *given):
            raise InterventionError(
                f"{self.target} does not take (images, labels, beta); write a function f(images, labels, beta) that "
                "returns images"
            )
        try:
            changed = function(*given)
        except FAILURES as failure:
            raise InterventionError(f"{self.target} failed: {describe(failure)}") from failure
        check_changed(changed, images, self.target)
        if images.numel() and not images.is_meta:
            self._check_units(changed, images)
        return changed.to(images.dtype).to(images.device), labels

    def _check_units(self, changed: Tensor, images: Tensor) -> None:
        """Refuse pixels that lie further outside than the whole range, as levels and normalised images do."""
        (low, high), (least, most) = pixel_extremes(images), pixel_extremes(changed)
        if least < min(low, 0) - FARTHEST or most > max(high, 1) + FARTHEST:
            raise InterventionError(
                f"{self.target} returns pixels from {least:g} to {most:g} for images from {low:g} to {high:g}; return "
                "them in [0, 1] or near it, neither as levels nor normalised"
            )
