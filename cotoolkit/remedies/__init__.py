"""Remedies: what a run does about a loss of robustness besides its method. One file each, found by itself."""

from cotoolkit.core.registry import load_entries
from cotoolkit.remedies.base import REMEDIES, Decision, Remedy, RemedyField
from cotoolkit.remedies.best_on_train import BestOnTrain
from cotoolkit.remedies.early_stop import EarlyStop
from cotoolkit.remedies.rollback import Rollback

load_entries(__name__)

__all__ = [
    "REMEDIES",
    "BestOnTrain",
    "Decision",
    "EarlyStop",
    "Remedy",
    "RemedyField",
    "Rollback",
]
