"""What units and networks look for: filters, maximising images, attributions, input gradients."""

from analyses.features.attributions.attribution import attribute
from analyses.features.compare import classified_correctly, feature_table
from analyses.features.glossary import STATISTICS
from analyses.features.maximisation import choose_units, maximise, maximise_from_noise

__all__ = [
    "STATISTICS",
    "attribute",
    "choose_units",
    "classified_correctly",
    "feature_table",
    "maximise",
    "maximise_from_noise",
]
