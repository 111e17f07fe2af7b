"""Training methods: what one optimisation step does. One file per family."""

from cotoolkit.methods.base import (
    METHODS,
    AttackMethod,
    Batch,
    Cost,
    InnerField,
    Method,
    MethodField,
    StepRecord,
    Update,
)
from cotoolkit.methods.gradalign import GradAlign
from cotoolkit.methods.single_step import FGSM, NFGSM, PGD, RSFGSM, Standard

__all__ = [
    "FGSM",
    "METHODS",
    "NFGSM",
    "PGD",
    "RSFGSM",
    "AttackMethod",
    "Batch",
    "Cost",
    "GradAlign",
    "InnerField",
    "Method",
    "MethodField",
    "Standard",
    "StepRecord",
    "Update",
]
