"""Threat models: which perturbations count, and in which order they are clipped to the ball and to the pixel box."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import Radius, format_number, parse_radius, refuse_beyond_range
from cotoolkit.core.registry import STRICT
from cotoolkit.core.validation import refusing_in_one_line

Norm = Literal["linf", "l2"]

Box = Literal["box_then_eps", "eps_then_box", "none"]
"""Order of the clamps to [0, 1] ("box") and to the epsilon ball ("eps").

- `box_then_eps`: sound. The perturbation never leaves the ball; where the data leave the box, so may the result.
- `eps_then_box`: what the released code of co_features does. In linf the same while no pixel is further than epsilon
  outside the box; beyond that the box clamp forces a perturbation as large as the overshoot, whatever epsilon is, and
  so removes an injected feature. In l2 the orders differ even on data inside the box: what a clamp to the box cuts off
  leaves room in the ball, which only `box_then_eps` uses.
- `none`: no box. The natural choice for data that are not clipped after an injection.
"""


def check_reach(epsilon: float, norm: Norm) -> None:
    """Refuse a ball that reaches beyond the whole range of images.

    Args:
        epsilon: radius.
        norm: of the ball.

    Raises:
        ConfigError: more than 1 in linf.
    """
    if norm == "linf":
        refuse_beyond_range(epsilon, "epsilon")


@refusing_in_one_line
@dataclass(frozen=True, config=STRICT)
class ThreatModel:
    """All perturbations of norm at most `epsilon`, in [0, 1] pixel units.

    Args:
        epsilon: radius of the ball, at most 1 in linf: any kind of number, or text such as "8/255". It is rounded to
            single precision, in which images are; see `identity.nearest`.
        norm: "linf", or "l2" over all pixels and channels of an image.
        box: order of the clamps to the ball and to [0, 1]; see `Box`.

    Raises:
        ConfigError: anything else.
    """

    epsilon: Radius
    norm: Norm = "linf"
    box: Box = "box_then_eps"

    @model_validator(mode="after")
    def _within_the_range(self) -> ThreatModel:
        check_reach(self.epsilon, self.norm)
        return self

    def __str__(self) -> str:
        return f"{self.norm} {format_number(self.epsilon)}, {self.box}"

    @classmethod
    def from_user(cls, epsilon: Any, norm: Norm = "linf", box: Box = "box_then_eps") -> ThreatModel:
        """A threat that something is measured under: its ball is more than a point.

        Args:
            epsilon: as for the class, above 0.
            norm: of the ball.
            box: order of the clamps.

        Returns:
            The threat model.

        Raises:
            ConfigError: what the class refuses, or a radius of 0.
        """
        try:
            radius = parse_radius(epsilon)
        except ValueError as error:
            raise ConfigError(f"epsilon: {error}") from None
        if radius <= 0:
            raise ConfigError(
                f"epsilon is {epsilon}; give a share of the pixel range above 0 and at most 1, such as 8/255"
            )
        return cls(radius, norm, box)

    def scaled(self, factor: float) -> ThreatModel:
        """The same threat at `factor` times the radius; see `resized`."""
        return self.resized(self.epsilon * factor)

    def resized(self, epsilon: float) -> ThreatModel:
        """The same threat at a radius that an attack, a warm-up or a sweep computed: exact, and in linf above 1, too.

        Raises:
            ConfigError: below 0, or nan.
        """
        if not epsilon >= 0:
            raise ConfigError(f"epsilon is {epsilon:g}; a radius is 0 or more")
        threat = copy.copy(self)
        object.__setattr__(threat, "epsilon", float(epsilon))  # as a frozen dataclass sets its own fields
        return threat

    def project(self, images: Tensor, delta: Tensor) -> Tensor:
        """Clip perturbations to the ball and the box, in the order that `box` names.

        Args:
            images: (B, C, H, W).
            delta: (B, C, H, W), their perturbations.

        Returns:
            (B, C, H, W).
        """
        if self.box == "box_then_eps":
            return self._to_ball(_to_box(images, delta))
        if self.box == "eps_then_box":
            return _to_box(images, self._to_ball(delta))
        return self._to_ball(delta)

    def random_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Uniform draws from the ball, then clipped. The numbers do not depend on the device of `images`.

        Args:
            images: (B, C, H, W).
            generator: of the draws.

        Returns:
            (B, C, H, W), in pixel units.
        """
        start = _drawn(torch.rand, images.shape, generator).mul_(2).sub_(1)
        if self.norm == "l2":
            # A Gaussian direction at radius U^(1/d) is uniform in the ball of dimension d.
            start = _drawn(torch.randn, images.shape, generator)
            radius = _drawn(torch.rand, (len(images),), generator)
            start = _unit(start) * _per_image(radius ** (1 / images[0].numel()), start)
        return self.project(images, start.mul_(self.epsilon).to(images.device))

    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of length 1 in this norm that raises a linear loss most: sign (linf) or unit vector (l2)."""
        return gradient.sign() if self.norm == "linf" else _unit(gradient)

    def _to_ball(self, delta: Tensor) -> Tensor:
        if self.norm == "linf":
            return delta.clamp(-self.epsilon, self.epsilon)
        length = delta.flatten(1).norm(dim=1)
        shrink = (self.epsilon / length.clamp_min(torch.finfo(delta.dtype).tiny)).clamp_max(1)
        return delta * _per_image(shrink, delta)


def _drawn(law: Callable[..., Tensor], shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Random numbers in float32, whatever the default is: another type would be other numbers."""
    return law(shape, generator=generator, device=generator.device, dtype=torch.float32)


def _to_box(images: Tensor, delta: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(delta, -images), 1 - images)


def _unit(vectors: Tensor) -> Tensor:
    """Each image's vector scaled to l2 length 1; a zero vector stays zero, and so do entries that are nan."""
    vectors = vectors.nan_to_num()  # as `sign` takes them: else one nan would be in all entries
    tiny = torch.finfo(vectors.dtype).tiny
    # Scaled by the largest entry first: the squares of small gradients would vanish in float32.
    vectors = vectors / _per_image(vectors.flatten(1).abs().amax(1).clamp_min(tiny), vectors)
    return vectors / _per_image(vectors.flatten(1).norm(dim=1).clamp_min(tiny), vectors)


def _per_image(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *([1] * (like.dim() - 1)))
