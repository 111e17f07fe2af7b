import sys

import pytest
import torch

from cotoolkit.core.errors import ModelError
from cotoolkit.models import (
    build_model,
)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module `nets_of_mine` into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(code):
        (tmp_path / "nets_of_mine.py").write_text(f"import torch\nfrom torch import nn\n{code}\n")

    yield write
    sys.modules.pop("nets_of_mine", None)


@pytest.mark.parametrize(
    "code",
    [
        "def net(shape, classes): return nn.Sequential(nn.Flatten(), nn.Linear(shape[1] * shape[2], classes))",
        "def net(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))",
        "def net(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))",
        "class net(nn.Sequential):\n def __init__(self, classes): super().__init__(nn.Flatten(), nn.Linear(64, 10))",
    ],
)
def test_own_networks_get_what_they_ask_for(own, code):
    own(code)
    first, again = (build_model("nets_of_mine:net", (1, 8, 8), 10, seed=0) for _ in range(2))
    images = torch.rand(2, 1, 8, 8)
    assert first(images).shape == (2, 10)
    assert torch.equal(first(images), again(images))


def test_the_check_leaves_batch_norm_and_modes_alone(own):
    own(
        "def net():\n"
        "  network = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 10))\n"
        "  network[1].eval()\n"
        "  return network"
    )
    network = build_model("nets_of_mine:net", (1, 8, 8), 10, seed=0)
    assert network[0].num_batches_tracked == 0
    assert network[0].running_mean == 0
    assert network.training
    assert network[0].training
    assert not network[1].training


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "'net' does not exist in"),
        ("def net(width): return nn.Identity()", "net failed: TypeError: net.. missing 1 required"),
        ("net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))", "is a network.* def build.*: return net"),
        ("def net(): return torch.zeros(3)", "returned a Tensor; it must return a torch.nn.Module"),
        ("def net(): return nn.Flatten()", r"returns \(2, 64\) for 2 images; it must return logits \(2, 10\)"),
        ("class net(nn.Module):\n  def forward(self, x): return [x]", "returns a list; it must return a tensor"),
        ("def net(): return nn.Linear(5, 10)", r"fails on images of shape \(1, 8, 8\): RuntimeError"),
    ],
)
def test_own_networks_that_do_not_fit(own, code, message):
    own(code)
    with pytest.raises(ModelError, match=message) as caught:
        build_model("nets_of_mine:net", (1, 8, 8), 10, seed=0)
    assert "\n" not in str(caught.value)
