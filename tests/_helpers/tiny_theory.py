"""An experiment in the theory's world that takes seconds: three settings, the last with all stages."""

import dataclasses

import pandas as pd
import pytest

from analyses.purification.plan import SyntheticSetting, TheoryPlan
from analyses.purification.study import run_setting
from analyses.purification.tables import TheoryTables

TINY = SyntheticSetting(
    "tiny", 25, 4, m=75, clean_steps=60, adversarial_steps=48, batch=60, points=300, seeds=2, full=True
)
SMALLER = dataclasses.replace(TINY, name="smaller", d=16, m=48, full=False)
SPARSE = dataclasses.replace(SMALLER, name="sparse", k=3, role="grid")

PLAN = TheoryPlan(
    name="tiny-theory", question="is it there?", scale="smoke", groups={}, settings=(SPARSE, SMALLER, TINY)
)


@pytest.fixture(scope="session")
def tiny_tables():
    """What the plan finds."""
    parts = [run_setting(setting, range(setting.seeds)).stacked() for setting in PLAN.settings]
    return TheoryTables.unstacked(pd.concat(parts, ignore_index=True))
