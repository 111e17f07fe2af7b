"""Weight mixtures in any network: what a clean network's units carry that a robust network's do not, and what it does.

Theory: feature purification (Allen-Zhu & Li, arXiv 2005.10190). Clean training gives every unit a large useful part and
a small dense mixture of very many features [S], in a direction that units share [R-high]; adversarial training removes
the mixture and keeps the rest [S]. What is measured here in any network is our construction, not the paper's.

Tags: [S] stated in a text of the authors that was read, [R] recalled, not checked against the paper, with our
confidence; [D] derived; [M] our choice; [P] seen in a small pilot of ours.
"""

from analyses.mixtures.edits import graft, put_back_mean, put_back_parts, random_control, remove_direction
from analyses.mixtures.purification import purification_items
from analyses.mixtures.statistics.sensitivity import gain, second_moments, sensitivity
from analyses.mixtures.table import STATISTICS, mixture_table
from analyses.mixtures.units.hidden_units import LayerUnits, units_of

__all__ = [
    "STATISTICS",
    "LayerUnits",
    "gain",
    "graft",
    "mixture_table",
    "purification_items",
    "put_back_mean",
    "put_back_parts",
    "random_control",
    "remove_direction",
    "second_moments",
    "sensitivity",
    "units_of",
]
