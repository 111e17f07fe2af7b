"""Accuracy under named protocols, the probe of a training run, and intervals of shares."""

from cotoolkit.evaluation.protocol import Accuracy, Evaluation, Protocol, evaluate, named_protocol

__all__ = ["Accuracy", "Evaluation", "Protocol", "evaluate", "named_protocol"]
