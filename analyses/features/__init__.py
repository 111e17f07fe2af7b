"""What units and networks look for: filters, maximising images, attributions, input gradients."""

from analyses.features.attributions.attribution import attribute
from analyses.features.maximisation import choose_units, maximise, maximise_from_noise
from analyses.features.observed import Effort
from analyses.features.table import classified_correctly, feature_table
from analyses.features.table_statistics import STATISTICS

__all__ = [
    "STATISTICS",
    "Effort",
    "attribute",
    "choose_units",
    "classified_correctly",
    "feature_table",
    "maximise",
    "maximise_from_noise",
]
