import itertools

import numpy as np
import pytest

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.grid_runs import GridPoints, distinct_runs
from cotoolkit.studies.overrides import combinations

GRIDS = [
    {"method": ("fgsm", "n_fgsm", "trades"), "epsilon": ("8/255", 0.1), "seed": (0, 1, 7)},
    {"seed": (3, 0, 2**31), "epsilon": (8 / 255, "0.1"), "monitor.points": (16, 32)},
    {"seed": (4, 4.0, np.int64(4), 0), "epochs": (2,)},
    {"epochs": (1, 2)},
]


@pytest.mark.parametrize("base", [{}, {"seed": 5, "method": {"name": "pgd", "steps": 3}, "keep": [4, 0]}])
@pytest.mark.parametrize("grids", [*[(grid,) for grid in GRIDS], tuple(GRIDS)])
def test_runs_that_share_all_but_the_seed_are_what_each_alone_would_be(base, grids):
    data = list(itertools.chain.from_iterable(combinations(base, grid) for grid in grids))
    alone = {config.identity: config for config in map(RunConfig.parse, data)}
    found = distinct_runs(GridPoints(base, grids))
    assert list(found.items()) == list(alone.items())
    assert [config.to_data() for config in found.values()] == [config.to_data() for config in alone.values()]
    assert [config.identity for config in found.values()] == list(found)


@pytest.mark.parametrize("seed", [-1, 1.5, "many", None, True])
def test_a_seed_that_is_none_is_refused_wherever_it_stands(seed):
    with pytest.raises(ConfigError, match="seed"):
        distinct_runs(GridPoints({}, ({"seed": (0, 1, seed)},)))
