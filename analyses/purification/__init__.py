"""Feature purification in the world of its theory: data with a known dictionary, a two-layer network, its claims.

After Allen-Zhu & Li, arXiv 2005.10190, "Feature Purification: How Adversarial Training Performs Robust Deep Learning".
`run_experiment` gives tables, `judge` claims checked on them, `plots` the figures.
"""

from analyses.purification.experiment import run_experiment, run_setting
from analyses.purification.predictions import judge
from analyses.purification.setting import Scale, Setting, settings
from analyses.purification.tables import Tables
from analyses.purification.world import SparseCoding, World

__all__ = ["Scale", "Setting", "SparseCoding", "Tables", "World", "judge", "run_experiment", "run_setting", "settings"]
