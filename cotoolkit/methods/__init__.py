"""Training methods: what one optimisation step does. One file each, found by itself.

They share terms of the loss (`_terms`), weights of samples (`_weighting`), what is remembered from step to step
(`_memory`), and what their settings have in common (`_settings`).
"""

from cotoolkit.core.registry import load_entries
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, InnerField, Method, MethodField, RunSettings
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.benign import BenignStyle
from cotoolkit.methods.dom import DOM
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.methods.gradalign import GradAlign
from cotoolkit.methods.holistic_control import HolisticControl
from cotoolkit.methods.holistic_robust import HolisticRobust
from cotoolkit.methods.local_ball import LocalBall
from cotoolkit.methods.n_fgsm import NFGSM
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.methods.pgd import PGD
from cotoolkit.methods.rs_fgsm import RSFGSM
from cotoolkit.methods.standard import Standard
from cotoolkit.methods.trades import TRADES

load_entries(__name__)

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
    "RunSettings",
    "Standard",
    "StepRecord",
    "TrainingSet",
    "Update",
]
