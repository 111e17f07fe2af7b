"""What a model specification is, the registry of them, and their short forms in text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from torch import nn

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import Registered, Registry

Shape = tuple[int, int, int]
"""Type of the shape of one image: (channels, height, width)."""


class ModelSpec(Registered):
    """A frozen, JSON-able description of a network, made to measure for a data set by `build`."""

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network from images (B, C, H, W) to logits (B, classes); its weights come from the global generator.

        Args:
            shape: (C, H, W) of the images.
            classes: number of classes.

        Returns:
            The network, in train mode.

        Raises:
            ModelError: it cannot be built for this shape.
        """
        raise AssertionError(f"{type(self).__name__} builds no network")


MODELS = Registry[ModelSpec]("model", everywhere="cotoolkit models", own="model.module=MODULE")
"""Every model by name."""


LIBRARIES = ("torchvision", "timm")
"""Whose architectures go by LIBRARY:NAME."""


def parse_model(value: Any) -> ModelSpec:
    """A specification from itself, from a mapping with `name` and fields, or from text.

    Text is a name, `torchvision:resnet18` or `timm:resnet18` for an architecture of these libraries, or
    `module:function` for own code.

    Raises:
        ConfigError: unknown name, or fields the model refuses.
    """
    if isinstance(value, str) and ":" in value:
        library, _, architecture = value.partition(":")
        known = library in LIBRARIES
        value = {"name": library, "architecture": architecture} if known else {"name": "own", "target": value}
    try:
        return MODELS.parse(value)
    except ValueError as error:
        raise ConfigError(str(error)) from None


ModelField = Annotated[Any, BeforeValidator(parse_model), PlainSerializer(MODELS.dump)]
"""Type of a model in a pydantic class: takes what `parse_model` takes, is a `ModelSpec`, becomes plain JSON data."""
