"""The activation functions a network can be built with."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["relu", "softplus", "gelu", "silu"]


def activation(name: Activation) -> nn.Module:
    """A fresh activation layer.

    ReLU works in place: the layers before it here (convolution, batch normalisation, linear) do not need their output
    for the backward pass, and its own gradient, double backward included, is taken from its result.
    """
    match name:
        case "relu":
            return nn.ReLU(inplace=True)
        case "softplus":
            return nn.Softplus()
        case "gelu":
            return nn.GELU()
        case "silu":
            return nn.SiLU()
