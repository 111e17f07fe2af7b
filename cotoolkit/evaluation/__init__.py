"""Accuracy under named protocols, the probe of a training run, and intervals of shares."""

from cotoolkit.evaluation.accuracy import Accuracy, Evaluation
from cotoolkit.evaluation.own_attack import OwnAttack
from cotoolkit.evaluation.protocol import Protocol, evaluate, named_protocol

__all__ = ["Accuracy", "Evaluation", "OwnAttack", "Protocol", "evaluate", "named_protocol"]
