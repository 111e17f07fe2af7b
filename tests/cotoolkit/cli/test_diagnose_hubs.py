"""`cotoolkit diagnose` of networks from hubs: timm's and Hugging Face's local files, RobustBench's loader."""

import json

import pytest
import timm
import torch
from timm.models import save_for_hf

from cotoolkit.cli.diagnosing.of_options import network_of_options
from cotoolkit.data import ImageSet
from tests._helpers.user_models import digits

OWN = "tests._helpers.user_models"

ZOO = '''
"""RobustBench's way: a zoo of classes, and load_model(name, model_dir, dataset, threat_model), which reads a file."""
from pathlib import Path
import torch
from torch import nn


class Rice2020(nn.Module):
    """Normalises in its forward pass, by buffers mu and sigma, as several of the zoo do."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 10)
        self.register_buffer("mu", torch.full((1, 1, 1, 1), 0.25))
        self.register_buffer("sigma", torch.full((1, 1, 1, 1), 0.5))

    def forward(self, x):
        return self.linear(self.block((x - self.mu) / self.sigma))


def load_model(model_name, model_dir="./models", dataset="cifar10", threat_model="Linf"):
    file = Path(model_dir) / dataset / threat_model / f"{model_name}.pt"
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    state = {name.removeprefix("module."): value for name, value in checkpoint["state_dict"].items()}
    model = Rice2020()
    model.load_state_dict(state, strict=True)
    return model.eval()


def net():
    return load_model("Rice2020Overfitting", dataset="digits")
'''


@pytest.fixture
def clean(cli, tmp_path, monkeypatch):
    """Diagnoses what the words name, quickly and without a page: clean accuracy and the findings."""

    def write(diagnosis, folder):
        folder.mkdir(exist_ok=True)
        (folder / "diagnosis.json").write_text(diagnosis.to_json())
        return folder / "diagnosis.json"

    monkeypatch.setattr("cotoolkit.diagnosis.page.write_diagnosis", write)

    def call(*words):
        fixed = ("--data", f"{OWN}:digits", "--epsilon", "0.1", "--budget", "quick", "--points", "100")
        code, _, err = cli("diagnose", *words, *fixed, "--device", "cpu", "--out", "found")
        assert code == 0, err
        found = json.loads((tmp_path / "found" / "diagnosis.json").read_text())
        texts = [finding["text"] for finding in found["findings"]]
        return found["measurements"]["clean"]["accuracy"]["value"], texts

    return call


def efficientnet():
    return timm.create_model("test_efficientnet", num_classes=10, in_chans=1)


@pytest.fixture(scope="module")
def of_timm(tmp_path_factory):
    """timm's local files in both formats, with config.json as its hub has it; and the network."""
    folder = tmp_path_factory.mktemp("hub")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = efficientnet().eval()
    save_for_hf(network, folder, safe_serialization="both", data_config={"mean": (0.25,), "std": (0.5,)})
    (folder / "bare").mkdir()
    torch.save({"state_dict": network.state_dict(), "epoch": 25}, folder / "bare" / "checkpoint.pth.tar")
    return folder, network


def read(model, weights):
    """What the command makes of --model and --weights: logits of a few digits, findings, the normalisation."""
    images, labels = digits(train=False)
    few = ImageSet("digits", images[:5], labels[:5], 10, tuple("0123456789"))
    network, findings, statistics = network_of_options(model, weights, None, few, 0)
    with torch.no_grad():
        return network((images[:5] - 0.25) / 0.5), [finding.text for finding in findings], statistics


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_timms_local_files_by_the_models_name(of_timm, file):
    folder, network = of_timm
    logits, texts, statistics = read("timm:test_efficientnet", folder / file)
    with torch.no_grad():
        torch.testing.assert_close(logits, network((digits(train=False)[0][:5] - 0.25) / 0.5))
    assert statistics == ((0.25,), (0.5,))
    told = f"{folder / 'config.json'} tells that images are normalised (mean 0.25; std 0.5): applied unless others are"
    assert any(text.startswith(told) for text in texts)


def test_a_function_of_ones_own_is_not_normalised_twice(of_timm):
    folder, _ = of_timm
    _, texts, statistics = read(f"{__name__}:efficientnet", folder / "model.safetensors")
    assert statistics is None
    told = "not applied, since a function of your own may do it; --mean and --std say others"
    assert any(text.endswith(told) for text in texts)


def test_timms_checkpoints_of_training(of_timm):
    folder, network = of_timm
    logits, texts, statistics = read("timm:test_efficientnet", folder / "bare" / "checkpoint.pth.tar")
    with torch.no_grad():
        torch.testing.assert_close(logits, network((digits(train=False)[0][:5] - 0.25) / 0.5))
    assert statistics is None
    assert not any("tells that images are normalised" in text for text in texts)


def test_a_network_of_robustbench_by_a_function(clean, tmp_path, monkeypatch):
    (tmp_path / "zoo.py").write_text(ZOO)
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict = {}
    exec(compile(ZOO, "zoo.py", "exec"), namespace)
    network, (images, labels) = namespace["Rice2020"](), digits(train=True)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(25):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    folder = tmp_path / "models" / "digits" / "Linf"
    folder.mkdir(parents=True)
    weights = folder / "Rice2020Overfitting.pt"
    torch.save({"state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}}, weights)
    found, _ = clean("--model", "zoo:net")
    assert found > 0.6
    # the same file through --weights: the wrapper's prefix is taken off, and the buffers are the network's own
    again, texts = clean("--model", "zoo:Rice2020", "--weights", str(weights))
    assert again == found
    assert any("DataParallel" in text for text in texts)
