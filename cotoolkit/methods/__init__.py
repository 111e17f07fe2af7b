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
from cotoolkit.methods.benign import BenignStyle
from cotoolkit.methods.dom import DOM
from cotoolkit.methods.gradalign import GradAlign
from cotoolkit.methods.holistic_robust import HolisticControl, HolisticRobust
from cotoolkit.methods.local_ball import LocalBall
from cotoolkit.methods.single_step import FGSM, NFGSM, PGD, RSFGSM, Standard
from cotoolkit.methods.trades import TRADES

__all__ = [
    "DOM",
    "FGSM",
    "METHODS",
    "NFGSM",
    "PGD",
    "RSFGSM",
    "TRADES",
    "AttackMethod",
    "Batch",
    "BenignStyle",
    "Cost",
    "GradAlign",
    "HolisticControl",
    "HolisticRobust",
    "InnerField",
    "LocalBall",
    "Method",
    "MethodField",
    "Standard",
    "StepRecord",
    "Update",
]
