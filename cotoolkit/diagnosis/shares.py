"""What every record of a diagnosis is made of: shares and means of points, with their intervals."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Confidence = Literal["high", "moderate", "low"]


class SchemaPart(BaseModel):
    """Base of all parts: unchangeable, without unknown fields, without nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(SchemaPart):
    """A share of points with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    points: int

    @property
    def percent(self) -> str:
        """The share for people, to the precision that the points allow."""
        return f"{100 * self.value:.{0 if self.points < 1000 else 1}f} %"


class Mean(SchemaPart):
    """A mean over points with its 95 % interval (percentile bootstrap), and the median."""

    value: float
    low: float
    high: float
    median: float
    points: int
