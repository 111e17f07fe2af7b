import dataclasses

import pytest

from analyses.purification.experiment import run_setting
from analyses.purification.plan import SyntheticSetting
from analyses.purification.tables import Tables

TINY = SyntheticSetting(
    "tiny", 25, 4, m=75, clean_steps=60, adversarial_steps=48, batch=60, points=300, seeds=2, full=True
)
SMALLER = dataclasses.replace(TINY, name="smaller", d=16, m=48, full=False)
SPARSE = dataclasses.replace(SMALLER, name="sparse", k=3, role="grid")


@pytest.fixture(scope="session")
def tiny_tables():
    return Tables.joined([run_setting(setting) for setting in (SPARSE, SMALLER, TINY)])
