"""What an intervention is: a frozen, registered, JSON-able map from a batch to a batch."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from numbers import Integral
from typing import Annotated, Any, ClassVar

import torch
from pydantic import PlainSerializer, PlainValidator
from torch import Tensor

from cotoolkit.core.errors import ConfigError, CotoolkitError
from cotoolkit.core.numbers import has_channels_last, shortened
from cotoolkit.core.registry import Registered, Registry
from cotoolkit.core.user_code import FAILURES, describe, located

LEVELS = 12
"""Pixels from here on are taken for levels, be it of few bits: 0 to 16, say, of which the darkest image of
scikit-learn's digits reaches 14. Interventions may leave [0, 1], but not by so much: an injection moves a pixel by 1 at
most."""


class InterventionError(CotoolkitError, ValueError):
    """The batch, the generator or the number of classes does not fit the intervention; one line says what to do."""


class Intervention(Registered, ABC):
    """A change of the data: images and labels in, images and labels out.

    Subclasses are frozen pydantic dataclasses registered in `INTERVENTIONS`; they implement `apply` and set the flags
    below. The input tensors are never written to, and values are never clipped: the paper trains on unclipped images,
    and who wants the box adds it, `Compose([Inject("paired", beta="8/255"), Clip()])`.
    """

    needs_labels: ClassVar[bool] = False
    """Whether it reads or changes the labels."""
    random: ClassVar[bool] = False
    """Whether it draws from the generator."""
    train_only: ClassVar[bool] = False
    """Whether it must be left out of the data one evaluates on; see `at_test`."""
    mixes_images: ClassVar[bool] = False
    """Whether an output image depends on other images of the batch."""
    differentiable: ClassVar[bool] = True
    """Whether gradients pass from the output images to the input images."""

    def __call__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        generator: torch.Generator | None = None,
        *,
        classes: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Apply the intervention to a batch.

        Args:
            images: (B, C, H, W), floating, in [0, 1] pixel units; the output has their dtype and device.
            labels: (B,) integers below `classes`; may be None where `needs_labels` is False.
            generator: source of randomness where `random` is True, a `torch.Generator` and not its seed; may live on
                another device than the images.
            classes: number of classes of the data set. A batch cannot tell, so whoever knows the data set says it.

        Returns:
            Images (B, C, H, W), and labels (B,), or None where none were given.

        Raises:
            InterventionError: images, labels, generator or number of classes are missing or do not fit; the
                intervention fails, or what it returns does not fit.
        """
        _check_images(images, "images")
        _check_pixels(images, "images")
        if generator is not None and not isinstance(generator, torch.Generator):
            given = f"generator is {shortened(generator)}, no torch.Generator"
            raise InterventionError(f"{given}: pass torch.Generator().manual_seed(0); classes=10 goes by its name")
        if classes is not None and (isinstance(classes, bool) or not isinstance(classes, Integral)):
            raise InterventionError(f"classes is {classes!r}; give a whole number")
        if labels is not None:
            _check_labels(labels, len(images), self.class_count(classes))
        elif self.needs_labels:
            raise InterventionError(f"{self.name} needs labels")
        if generator is None and self.random:
            raise InterventionError(f"{self.name} is random: pass generator=torch.Generator().manual_seed(0)")
        result = self._applied(images, labels, generator, classes)
        if not isinstance(result, tuple) or len(result) != 2:
            raise InterventionError(f"{self.name} must return images and labels, not a {type(result).__name__}")
        changed, relabelled = result
        check_changed(changed, images, self.name)
        if relabelled is not None:
            _check_labels(relabelled, len(images), classes)
        return changed, relabelled

    def inside_a_model(self, images: Tensor, classes: int | None = None) -> Tensor:
        """The images after an intervention without labels and randomness, in whatever units a model has them there.

        Args:
            images: (B, C, H, W), floating; their range is not looked at.
            classes: number of classes of the data set.

        Returns:
            (B, C, H, W).

        Raises:
            InterventionError: images of another shape or type.
        """
        _check_images(images, "images")
        return self._applied(images, None, None, classes)[0]

    def _applied(self, images: Tensor, *given: Any) -> tuple[Tensor, Tensor | None]:
        """What `apply` returns; where it raises, one line says where."""
        # No autocast: it would take spectra and projections in half precision, three digits, inside a model's layer.
        casts = torch.amp.is_autocast_available(images.device.type)
        try:
            with torch.autocast(images.device.type, enabled=False) if casts else nullcontext():
                return self.apply(images, *given)
        except (CotoolkitError, MemoryError, torch.OutOfMemoryError):
            raise
        except FAILURES as failure:
            raise InterventionError(f"{self.name} fails: {located(failure)}") from failure

    @abstractmethod
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        """The work of `__call__`, with its arguments, which are checked already.

        Args:
            images: (B, C, H, W).
            labels: (B,), or None.
            generator: source of randomness, or None.
            classes: number of classes, or None.

        Returns:
            Images (B, C, H, W), and labels (B,) or None.
        """

    def class_count(self, classes: int | None) -> int | None:
        """Number of classes, given that the caller said `classes`; None if it does not matter to the intervention."""
        return classes

    def at_test(self) -> Intervention:
        """What of it belongs on test data: the intervention itself, unless (a part of) it is `train_only`."""
        return INTERVENTIONS.parse("compose") if self.train_only else self  # an empty row of parts is the identity


INTERVENTIONS = Registry[Intervention](
    "intervention", everywhere="cotoolkit interventions list", own="intervention.module=MODULE"
)
"""Every intervention by name."""


def parse_intervention(value: Any) -> Intervention:
    """An intervention from itself, a name, a mapping with `name` and fields, or `module:function` for own code.

    Raises:
        UnknownName: no such intervention.
        InvalidFields: it refuses a field.
        ConfigError: none of these.
    """
    name = value.get("name") if isinstance(value, Mapping) else value
    if isinstance(name, str) and ":" in name:
        fields = value if isinstance(value, Mapping) else {}
        value = {**fields, "name": "own", "target": name}
    return INTERVENTIONS.parse(value)


InterventionField = Annotated[Intervention, PlainValidator(parse_intervention), PlainSerializer(INTERVENTIONS.dump)]
"""An intervention as a field of a pydantic class: takes what `parse_intervention` takes, and dumps a mapping."""


def check_changed(changed: Any, images: Tensor, who: str) -> None:
    """Refuse what somebody's code returns in place of images, as it is refused where it comes in.

    Args:
        changed: what it returns.
        images: (B, C, H, W), those it was given.
        who: returns it, for messages.

    Raises:
        InterventionError: no floating images of that shape, pixels that are nan or infinite, or pixel levels.
    """
    if not isinstance(changed, Tensor) or changed.shape != images.shape:
        got = tuple(changed.shape) if isinstance(changed, Tensor) else f"a {type(changed).__name__}"
        raise InterventionError(f"{who} must return images of shape {tuple(images.shape)}, not {got}")
    _check_images(changed, f"the images that {who} returns")
    _check_pixels(changed, f"the images that {who} returns")


def pixel_extremes(images: Tensor) -> tuple[float, float]:
    """The least and the greatest pixel, nan if one is: one transfer from their device."""
    least, most = torch.stack(images.detach().aminmax()).tolist()
    return least, most


def check_floating(images: Tensor, what: str) -> None:
    """Refuse whole numbers, which would wrap around or lose all that is below 1.

    Args:
        images: any shape.
        what: they are, for the message.

    Raises:
        InterventionError: they are not floating.
    """
    if not images.is_floating_point():
        raise InterventionError(f"{what} must be floating, in [0, 1], not {images.dtype}; divide pixel levels by 255")


def check_same_image(images: Tensor, others: Tensor, what: str) -> None:
    """Refuse images of two shapes; as many entries in another order are other images.

    Args:
        images: (B, C, H, W).
        others: (n, C, H, W).
        what: the others are, for the message.

    Raises:
        InterventionError: their shapes differ behind the first axis.
    """
    if images.shape[1:] != others.shape[1:]:
        wanted = ", ".join(map(str, ("n", *images.shape[1:])))
        raise InterventionError(f"{what} have the shape {tuple(others.shape)}; for these images it is ({wanted})")


def _check_images(images: Tensor, what: str) -> None:
    """Refuse anything but floating (B, C, H, W)."""
    if not isinstance(images, Tensor):
        raise InterventionError(f"{what} must be a tensor (B, C, H, W), not a {type(images).__name__}")
    if images.ndim != 4:
        raise InterventionError(f"{what} must be (B, C, H, W), not {tuple(images.shape)}")
    check_floating(images, what)
    if has_channels_last(images.shape):
        raise InterventionError(f"{what} must be (B, C, H, W), channels first, not {tuple(images.shape)}")


def _check_pixels(images: Tensor, what: str) -> None:
    """Refuse pixels that are levels, or no numbers at all."""
    if images.is_meta or not images.numel():  # nothing to look at
        return
    least, most = pixel_extremes(images)
    if not (math.isfinite(least) and math.isfinite(most)):
        raise InterventionError(f"{what} have pixels that are nan or infinite; mend them")
    if least <= -LEVELS or most >= LEVELS:
        far = most if most >= LEVELS else least
        raise InterventionError(
            f"{what} reach {far:g}; give them in [0, 1]: divide pixel levels by the highest there is, such as 255"
        )


def _check_labels(labels: Tensor, images: int, classes: int | None) -> None:
    """Refuse anything but one integer label per image."""
    if not isinstance(labels, Tensor):
        raise InterventionError(f"labels must be a tensor of integers, not a {type(labels).__name__}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise InterventionError(f"labels must be integers, not {labels.dtype}")
    if labels.shape != (images,):
        raise InterventionError(f"{images} images need labels of shape ({images},), not {tuple(labels.shape)}")
    if labels.is_meta or not images:  # nothing to look at
        return
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or (classes is not None and high >= classes):
        last = "" if classes is None else classes - 1
        raise InterventionError(f"labels run from {low} to {high}, they must lie in 0 .. {last}")


def to_json(intervention: Intervention | str | Mapping[str, Any]) -> str:
    """Canonical JSON text of an intervention, or of what `parse_intervention` takes for one.

    Keys are sorted, there are no spaces, floats stand as by `repr`.

    >>> from interventions import LowPass
    >>> to_json(LowPass(8))
    '{"bandwidth":8.0,"domain":"dct","name":"low_pass","shape":"square"}'
    """
    data = INTERVENTIONS.dump(parse_intervention(intervention))
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Intervention:
    """The intervention that JSON text describes; the inverse of `to_json`.

    Raises:
        ConfigError: not JSON, no intervention, an unknown name, or fields the intervention refuses.
    """
    try:
        described = json.loads(text)
    except (TypeError, ValueError, RecursionError) as failure:
        problem = f"{shortened(text)} is no JSON ({describe(failure)})"
        raise ConfigError(f'{problem}; give what to_json writes, such as {{"name": "low_pass"}}') from None
    return parse_intervention(described)


def fingerprint(intervention: Intervention | str | Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the canonical JSON: equal for equal interventions, on every machine."""
    return hashlib.sha256(to_json(intervention).encode()).hexdigest()
