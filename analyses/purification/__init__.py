"""Feature purification in the world of its theory: data with a known dictionary, a two-layer network, its claims.

After Allen-Zhu & Li, arXiv 2005.10190, "Feature Purification: How Adversarial Training Performs Robust Deep Learning".
`STUDY` is the experiment that `cotoolkit analyse purification` runs; `run_setting` gives the tables of one setting.

Tags: [S] read in another text; [R-high], [R-med] recollected and not checked against the paper, with how sure that is;
[D] derived by us; [M] our choice.
"""

from analyses.purification.claims import CLAIMS
from analyses.purification.plan import PLANS, SyntheticSetting, TheoryPlan
from analyses.purification.results import TheoryResults
from analyses.purification.study import STUDY, run_setting
from analyses.purification.synthetic_world.synthetic_data import SparseCoding, SyntheticWorld
from analyses.purification.tables import TheoryTables

__all__ = [
    "CLAIMS",
    "PLANS",
    "STUDY",
    "SparseCoding",
    "SyntheticSetting",
    "SyntheticWorld",
    "TheoryPlan",
    "TheoryResults",
    "TheoryTables",
    "run_setting",
]
