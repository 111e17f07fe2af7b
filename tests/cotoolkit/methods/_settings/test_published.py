import numpy as np
import pytest

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods._settings.published import published_value

TABLE = {8: 1.5, 12: 5.0, 16: 8.5, 32: 2.75}


@pytest.mark.parametrize("level", TABLE)
def test_published_radii_have_the_published_values(level):
    assert published_value(TABLE, level / 255) == TABLE[level]
    assert published_value(TABLE, ThreatModel(f"{level}/255").epsilon) == TABLE[level]
    assert published_value(TABLE, float(np.float32(level / 255))) == TABLE[level]


def test_between_and_beyond_them():
    for level in np.random.default_rng(0).uniform(0, 60, 40):
        expected = np.interp(level, list(TABLE), list(TABLE.values()))
        assert published_value(TABLE, level / 255) == pytest.approx(expected, abs=1e-3)
    assert published_value(TABLE, 0.0) == 1.5
    assert published_value(TABLE, 1.0) == 2.75
    assert published_value({8: 3.0}, 0.5) == published_value({8: 3.0}, 0.0) == 3.0


@pytest.mark.parametrize(
    ("method", "field"),
    [
        *((name, "weight") for name in ("elle", "elle_a", "llr", "cure", "gradalign")),
        ("lap", "beta"),
    ],
)
def test_constants_of_linf_radii_are_none_of_l2(method, field):
    run = {"norm": "l2", "epsilon": 0.5}
    with pytest.raises(ConfigError, match=f"{method}: .* of linf radii; for l2 set method.{field}"):
        RunConfig.parse({"method": method, **run})
    RunConfig.parse({"method": {"name": method, field: 1.0}, **run})
    RunConfig.parse({"method": method})


@pytest.mark.parametrize(
    ("method", "last", "fields"),
    [
        ("elle", 26, {"weight": 1.0}),
        ("elle_a", 26, {"weight": 1.0}),
        ("llr", 26, {"weight": 1.0}),
        ("cure", 16, {"weight": 1.0}),
        ("lap", 32, {"beta": 0.1}),
        ("aaer", 32, {"lambda2": 1.0, "lambda3": 1.0}),
        ("liet", 16, {"weight": 1.0, "smoothing": 0.4, "least": 0.0, "most": 1.0, "every": 10}),
        ("atas", 16, {"limits": "relative"}),
        ("atas", 16, {"largest": 0.2}),
    ],
)
def test_no_constant_is_made_up_beyond_the_published_radii(method, last, fields):
    RunConfig.parse({"method": method, "epsilon": f"{last}/255"})
    refused = rf"{method}: its published .* end at .*{last}/255; for 0\.25 \(63\.8/255\) set "
    with pytest.raises(ConfigError, match=refused):
        RunConfig.parse({"method": method, "epsilon": 0.25})
    assert RunConfig.parse({"method": {"name": method, **fields}, "epsilon": 0.25}).epsilon == 0.25


def test_only_what_was_left_open_is_asked_for():
    run = {"norm": "l2", "epsilon": 0.5}
    with pytest.raises(ConfigError, match=r"set method\.lambda2 and method\.lambda3"):
        RunConfig.parse({"method": "aaer", **run})
    with pytest.raises(ConfigError, match=r"set method\.lambda3$"):
        RunConfig.parse({"method": {"name": "aaer", "lambda2": 1.0}, **run})
    with pytest.raises(ConfigError, match="atas: its lengths are of linf steps; for l2 set limits=relative"):
        RunConfig.parse({"method": "atas", **run})
    RunConfig.parse({"method": {"name": "atas", "limits": "relative"}, **run})
    RunConfig.parse({"method": {"name": "cure", "form": "code"}, **run})
