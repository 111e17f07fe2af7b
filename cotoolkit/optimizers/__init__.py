"""Optimisers: how a gradient becomes an update."""

from cotoolkit.optimizers.optimizers import OPTIMIZERS, SGD, Adam, AdamW, OptimizerField, Updates

__all__ = ["OPTIMIZERS", "SGD", "Adam", "AdamW", "OptimizerField", "Updates"]
