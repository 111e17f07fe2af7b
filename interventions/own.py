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
from cotoolkit.core.user_code import FAILURES, describe, import_callable
from interventions.base import INTERVENTIONS, Intervention, InterventionError


@INTERVENTIONS.register("own")
@dataclass(frozen=True, config=STRICT)
class OwnIntervention(Intervention):
    """A function `f(images, labels, beta)` that returns images; in text `module:function`.

    Images are (B, C, H, W) floats in [0, 1], labels (B,) integers. The images that come back have the same shape; their
    values are not clipped.

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
            InterventionError: it fails, or returns something else than as many images of the same shape.
        """
        function = import_callable(self.target, ConfigError)
        try:
            changed = function(images, labels, self.beta)
        except FAILURES as failure:
            raise InterventionError(f"{self.target} failed: {describe(failure)}") from failure
        if not isinstance(changed, Tensor) or changed.shape != images.shape:
            got = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise InterventionError(f"{self.target} must return images of shape {tuple(images.shape)}, not {got}")
        if not changed.isfinite().all():
            raise InterventionError(f"{self.target} returned pixels that are nan or infinite")
        return changed.to(images.dtype).to(images.device), labels
