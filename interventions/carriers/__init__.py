"""Carriers: what is injected, one vector per class. A file per family, found by itself."""

from cotoolkit.core.registry import load_entries
from interventions.carriers.base import CARRIERS, Carrier, CarrierField
from interventions.carriers.frequency import Paired, ReleasedRows, ZigZag
from interventions.carriers.given import Given
from interventions.carriers.random_orthonormal import RandomOrthonormal

load_entries(__name__)

__all__ = [
    "CARRIERS",
    "Carrier",
    "CarrierField",
    "Given",
    "Paired",
    "RandomOrthonormal",
    "ReleasedRows",
    "ZigZag",
]
