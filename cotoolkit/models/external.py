"""Networks from elsewhere: torchvision's classifiers, and a user's own code."""

from __future__ import annotations

import difflib
import inspect

from pydantic.dataclasses import dataclass
from torch import nn

from cotoolkit.core.errors import ModelError
from cotoolkit.core.registry import STRICT, Registered
from cotoolkit.core.user_code import describe, find
from cotoolkit.models.registry import MODELS, Shape

NAMES = "https://docs.pytorch.org/vision/stable/models.html#classification"


@MODELS.register("torchvision")
@dataclass(frozen=True, config=STRICT)
class Torchvision(Registered):
    """A classifier of torchvision with random weights; in text `torchvision:resnet18`.

    Attributes:
        architecture: torchvision's name for it.
    """

    architecture: str

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for 3-channel images; many of them were made for 224 x 224 and need at least 32 x 32."""
        from torchvision import models

        known = models.list_models(module=models)
        if self.architecture not in known:
            near = difflib.get_close_matches(self.architecture, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"its names are on {NAMES}"
            raise ModelError(f"torchvision has no classifier {self.architecture!r}: {hint}")
        if shape[0] != 3:
            raise ModelError(f"torchvision:{self.architecture} takes images with 3 channels; the data has {shape[0]}")
        network: nn.Module = models.get_model(self.architecture, weights=None, num_classes=classes)
        if getattr(network, "aux_logits", False):
            raise ModelError(f"torchvision:{self.architecture} has auxiliary outputs in training; choose one without")
        return network


@MODELS.register("own")
@dataclass(frozen=True, config=STRICT)
class External(Registered):
    """A user's own function or class that makes a module; in text `module:function`.

    It is called with those of the keywords `shape` (C, H, W), `classes` and `num_classes` that it has.

    Attributes:
        target: `module:function`, looked up in the working directory and the Python path.
    """

    target: str

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """What the function returns."""
        function = find(self.target, ModelError)
        offered = {"shape": shape, "classes": classes, "num_classes": classes}
        try:
            accepted = inspect.signature(function).parameters
            network = function(**{key: value for key, value in offered.items() if key in accepted})
        except Exception as failure:
            raise ModelError(f"{self.target} failed: {describe(failure)}") from failure
        if not isinstance(network, nn.Module):
            raise ModelError(f"{self.target} returned a {type(network).__name__}; it must return a torch.nn.Module")
        return network
