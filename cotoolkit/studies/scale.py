"""How far a study's numbers reach; importing this costs nothing."""

from __future__ import annotations

from typing import Literal

Scale = Literal["smoke", "digits", "laptop", "paper", "custom"]
"""What a study's numbers may be taken for.

A quick look, with too few seeds to judge anything; the mechanism, on 8 x 8 digits or synthetic data; the trend; the
published figure; the user's own question.
"""

DIGITS_SEEDS = tuple(range(10))
"""Of what is trained at scale digits."""

SMOKE_SEEDS = DIGITS_SEEDS[:1]
"""Of the same at scale smoke."""


def seeds_at(scale: Scale) -> tuple[int, ...]:
    """Seeds of what has no plan of its own, such as a simulation: those of scale digits, and the first at smoke."""
    return SMOKE_SEEDS if scale == "smoke" else DIGITS_SEEDS
