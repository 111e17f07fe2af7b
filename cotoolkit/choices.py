"""Closed sets of words that the command line and the engine share; importing them costs nothing."""

from __future__ import annotations

from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
"""Where to train; "auto" takes a GPU if there is one."""

Scale = Literal["smoke", "laptop", "paper", "custom"]
"""What a study's numbers may be taken for: the mechanism, the trend, the published figure, the user's own question."""
