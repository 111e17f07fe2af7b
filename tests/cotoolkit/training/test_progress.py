"""Time left, on a clock of our own."""

from cotoolkit.training.progress import Pace, Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_trained_before_does_not_make_the_rest_look_shorter():
    clock = Clock()
    pace = Pace(1, clock)
    pace.saw("resumed", Progress(900, 1000, None))
    assert pace.of("resumed") is None  # nothing was trained yet
    clock.now = 10
    pace.saw("resumed", Progress(910, 1000, None))
    assert pace.of("resumed") == 90  # 1 iteration a second, and not 91
    assert pace.of_all() == 90
    assert pace.of("another") is None


def test_runs_that_were_done_before_count_for_nothing():
    clock = Clock()
    pace = Pace(10, clock)
    for number in range(8):
        pace.ended(f"done {number}")
    assert pace.of_all() is None
    pace.saw("new", Progress(0, 100, None))
    clock.now = 50
    pace.saw("new", Progress(50, 100, None))
    assert pace.of_all() == 50 + 100  # the rest of this one, and the tenth
    clock.now = 100
    pace.saw("new", Progress(100, 100, None))
    pace.ended("new")
    assert pace.of_all() == 100
    pace.ended("tenth")
    assert pace.of_all() == 0


def test_runs_side_by_side_share_the_time():
    clock = Clock()
    pace = Pace(2, clock)
    for name in ("a", "b"):
        pace.saw(name, Progress(0, 100, None))
    clock.now = 20
    for name in ("a", "b"):
        pace.saw(name, Progress(20, 100, None))
    assert pace.of("a") == 80
    assert pace.of_all() == 80
