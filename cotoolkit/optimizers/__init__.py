"""Optimisers: how a gradient becomes an update of the weights. One file each, found by itself."""

from cotoolkit.core.registry import load_entries
from cotoolkit.optimizers.adam import Adam, AdamW
from cotoolkit.optimizers.base import OPTIMIZERS, Optimizer, OptimizerField, ParameterGroup, State, Updates
from cotoolkit.optimizers.sgd import SGD

load_entries(__name__)

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "OptimizerField",
    "ParameterGroup",
    "State",
    "Updates",
]
