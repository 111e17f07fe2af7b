"""What is refused of every method where the configuration of a run is read."""

import pytest

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import PixelLength
from cotoolkit.methods import METHODS
from cotoolkit.methods._settings.every_method import PIXEL_UNITS


@pytest.mark.parametrize(
    "method",
    [
        *({"name": name, "alpha": 10} for name in ("fgsm", "n_fgsm", "pgd", "free", "cure", "trades", "tdat", "fuap")),
        *({"name": "atas", "largest": 1, field: 10} for field in ("gain", "largest")),
        {"name": "uap", "amplitude": 10},
        {"name": "mart", "start_scale": 10},
        {"name": "awp", "inner": {"name": "dom", "inner": {"name": "fgsm", "alpha": 10}}},
    ],
    ids=str,
)
def test_lengths_in_steps_of_255_are_refused_in_linf(method):
    with pytest.raises(ConfigError, match=r" is 10; give a share of the pixel range, at most 1, such as 10/255$"):
        RunConfig.parse({"method": method, "epsilon": "8/255"})
    with pytest.raises(ConfigError, match=r" is 10; give a share"):
        RunConfig.parse({"method": "fgsm", "remedy": {"name": "rollback", "methods": [method]}})


def test_lengths_are_given_as_radii_are_and_in_l2_may_be_longer():
    assert RunConfig.parse({"method": {"name": "fgsm", "alpha": "10/255"}}).method.alpha == pytest.approx(10 / 255)
    assert RunConfig.parse({"method": {"name": "fgsm", "alpha": 2}, "norm": "l2", "epsilon": 1.5}).method.alpha == 2
    assert PIXEL_UNITS in PixelLength.__metadata__


def test_every_field_that_its_docstring_gives_in_pixel_units_is_such_a_length():
    for name in METHODS.names():
        cls = METHODS[name]
        for field, info in cls.__pydantic_fields__.items():
            entry = next((line for line in cls.__doc__.splitlines() if line.strip().startswith(f"{field}: ")), "")
            if "in pixel units" in entry:
                assert PIXEL_UNITS in info.metadata or PixelLength in getattr(info.annotation, "__args__", ()), name


@pytest.mark.parametrize("method", ["aaer", "elle", "elle_a", "llr", "cure", {"name": "awp", "inner": "aaer"}], ids=str)
def test_methods_that_need_single_precision_refuse_another(method):
    with pytest.raises(ConfigError, match=r"compares numbers too close for bf16-mixed; set precision=32$"):
        RunConfig.parse({"method": method, "precision": "bf16-mixed"})
    RunConfig.parse({"method": method})
