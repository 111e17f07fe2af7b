import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.launchers.resources import USUAL, Resources


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpus=4", Resources(cpus=4)),
        ("gpus=.5,cpus=2", Resources(cpus=2, gpus=0.5)),
        ("gpus=1/4", Resources(gpus=0.25)),
        ("gpus=2", Resources(gpus=2)),
        ("gpus=0", Resources(gpus=0)),
    ],
)
def test_text(text, expected):
    assert Resources.parse(text) == expected


BAD = ("", "cpus", "cpus=", "cpus=0", "cpus=1.5", "cpus=-1", "cpus=1,cpus=2", "cpus=[1,2]", "ram=1", ",")


@pytest.mark.parametrize("text", [*BAD, "gpus=1.5", "gpus=-1", "gpus=nan", "gpus=x"])
def test_bad_text_is_one_line(text):
    with pytest.raises(ConfigError) as caught:
        Resources.parse(text)
    assert "\n" not in str(caught.value)


def test_gpus_where_nobody_says():
    assert [USUAL.gpus_on(device, found) for device in ("cpu", "auto", "cuda") for found in (False, True)] == [
        *(0, 0),
        *(0, 1),
        *(1, 1),
    ]
    assert Resources(gpus=0.25).gpus_on("cpu", True) == 0
    assert [Resources(gpus=share).runs_per_gpu for share in (0.1, 0.25, 0.3, 0.5, 1, 2, 0)] == [10, 4, 3, 2, 1, 1, 1]
