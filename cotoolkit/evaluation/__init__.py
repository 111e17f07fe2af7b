"""Accuracy under named protocols, the probe of a training run, and intervals of shares.

The names below are imported when they are first used: `intervals` and `relative` need no torch, which takes seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cotoolkit.evaluation.accuracy import Accuracy, Evaluation
    from cotoolkit.evaluation.own_attack import OwnAttack
    from cotoolkit.evaluation.protocol import Protocol, evaluate, named_protocol

_HOMES = {
    "Accuracy": "accuracy",
    "Evaluation": "accuracy",
    "OwnAttack": "own_attack",
    "Protocol": "protocol",
    "evaluate": "protocol",
    "named_protocol": "protocol",
}

__all__ = ["Accuracy", "Evaluation", "OwnAttack", "Protocol", "evaluate", "named_protocol"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # asked for once
    return value
