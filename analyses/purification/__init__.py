"""Feature purification in the world of its theory: data with a known dictionary, a two-layer network, its claims.

After Allen-Zhu & Li, arXiv 2005.10190, "Feature Purification: How Adversarial Training Performs Robust Deep Learning".
`run_experiment` gives tables; `CLAIMS.judge(TheoryResults(tables))` checks the theory's predictions on them.
"""

from analyses.purification.claims import CLAIMS
from analyses.purification.experiment import run_experiment, run_setting
from analyses.purification.plan import SyntheticSetting, settings
from analyses.purification.results import TheoryResults
from analyses.purification.synthetic_world.synthetic_data import SparseCoding, SyntheticWorld
from analyses.purification.tables import Tables

__all__ = [
    "CLAIMS",
    "SparseCoding",
    "SyntheticSetting",
    "SyntheticWorld",
    "Tables",
    "TheoryResults",
    "run_experiment",
    "run_setting",
    "settings",
]
