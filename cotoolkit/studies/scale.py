"""How far a study's numbers reach; importing this costs nothing."""

from __future__ import annotations

from typing import Literal

Scale = Literal["smoke", "laptop", "paper", "custom"]
"""What a study's numbers may be taken for: the mechanism, the trend, the published figure, the user's own question."""
