"""Numbers of a configuration are those that people write, of all with the same single-precision value."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass

from cotoolkit.core.identity import nearest, rounded
from cotoolkit.methods import PGD

singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(singles | st.floats(-1e38, 1e38))
def test_rounding_keeps_the_single_and_nothing_else(number):
    near = nearest(number)
    assert np.float32(near) == np.float32(number)
    assert nearest(float(np.float32(number))) == near == nearest(near)
    assert not np.signbit(nearest(-abs(near) * 0))


@given(st.integers(0, 10**5), st.integers(1, 10**6), st.integers(0, 6))
def test_rounding_keeps_what_people_write(small, digits, places):
    for number in (small / 10**5, max(1, digits / 10**places)):
        assert nearest(number) == number
        assert nearest(float(np.float32(number))) == number


def test_rounding_goes_to_any_depth():
    @dataclass(frozen=True)
    class Part:
        radii: dict[str, tuple[float, ...]]
        inner: PGD

    single = float(np.float32(0.1))
    part = rounded(Part({"small": (single, 0.2)}, PGD(alpha=single)))
    assert part == Part({"small": (0.1, 0.2)}, PGD(alpha=0.1))
    assert rounded([single, (single, True, 1, "a", None)]) == [0.1, (0.1, True, 1, "a", None)]
    assert rounded(part) is part


def test_rounding_keeps_fractions():
    for below in range(1, 256):
        fractions = np.arange(below + 1) / below
        assert [nearest(float(np.float32(fraction))) for fraction in fractions] == fractions.tolist()
