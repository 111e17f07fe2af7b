"""Weight mixtures in any network: what a clean network's units carry that a robust network's do not, and what it does.

Theory: feature purification (Allen-Zhu & Li, arXiv 2005.10190). Clean training gives every unit a large useful part and
a small dense mixture of very many features [S], in a direction that units share [R-high]; adversarial training removes
the mixture and keeps the rest [S]. What is measured here in any network is our construction, not the paper's.

Tags: [S] stated in a text of the authors that was read, [R] recalled, not checked against the paper, with our
confidence; [D] derived; [M] our choice; [P] seen in a small pilot of ours.

The functions of this package check and convert the networks and images that they are given: wrapped networks, any
precision and device, and images as `cotoolkit.evaluation.evaluate` takes them, with `mean`, `std`, `bounds`, `forward`
and `binary` as keywords, and `leave` for images that leave their bounds. Edits return a network of the user's own
class, without its wrappers. Those of its modules, such as `analyses.mixtures.edits.graft`, are the same without any
check.
"""

from analyses.mixtures import edits, purification, table
from analyses.mixtures.checked import checked_edit, checked_mixture
from analyses.mixtures.statistics import sensitivity as responses
from analyses.mixtures.statistics.sensitivity import gain
from analyses.mixtures.table import STATISTICS
from analyses.mixtures.units import hidden_units
from analyses.mixtures.units.hidden_units import LayerUnits

graft = checked_edit(edits.graft)
put_back_mean = checked_edit(edits.put_back_mean)
put_back_parts = checked_edit(edits.put_back_parts)
random_control = checked_edit(edits.random_control)
remove_direction = checked_edit(edits.remove_direction)
mixture_table = checked_mixture(table.mixture_table)
purification_items = checked_mixture(purification.purification_items)
second_moments = checked_mixture(responses.second_moments)
sensitivity = checked_mixture(responses.sensitivity)
units_of = checked_mixture(hidden_units.units_of)

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
