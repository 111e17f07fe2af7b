"""A network from a user's own code."""

from __future__ import annotations

import inspect

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.errors import ModelError
from cotoolkit.core.registry import STRICT
from cotoolkit.core.user_code import FAILURES, describe, import_callable
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


@MODELS.register("own")
@dataclass(frozen=True, config=STRICT)
class OwnModel(ModelSpec):
    """A user's own function or class that makes a module; in text `module:function`.

    It is called with those of the keywords `shape` (C, H, W), `classes` and `num_classes` that it has.

    Attributes:
        target: `module:function`, looked up in the working directory and the Python path.
    """

    target: str

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """What the function returns.

        Args:
            shape: (C, H, W) of the images, which the function gets if it has a parameter `shape`.
            classes: number of classes.

        Returns:
            The network; in the mode in which the function leaves it.

        Raises:
            ModelError: there is no such function, or it is a network itself; it fails, or it returns no module.
        """
        function = import_callable(self.target, ModelError)
        if isinstance(function, nn.Module):  # one network for all runs would begin each with what the last one learned
            name = self.target.partition(":")[2]
            raise ModelError(
                f"{self.target} is a network, and a function that returns one is wanted: write def build(): "
                f"return {name}, and name that"
            )
        offered = {"shape": shape, "classes": classes, "num_classes": classes}
        try:
            accepted = inspect.signature(function).parameters
            network = function(**{key: value for key, value in offered.items() if key in accepted})
        except FAILURES as failure:
            raise ModelError(f"{self.target} failed: {describe(failure)}") from failure
        if not isinstance(network, nn.Module):
            raise ModelError(f"{self.target} returned a {type(network).__name__}; it must return a torch.nn.Module")
        return network
