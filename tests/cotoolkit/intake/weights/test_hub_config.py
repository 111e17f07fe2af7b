import json

import pytest
import timm
from timm.models import save_for_hf

from cotoolkit.intake.weights.hub_config import statistics_beside


def test_the_statistics_that_timm_saves_beside_its_weights(tmp_path):
    network = timm.create_model("test_resnet", num_classes=10)
    data = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    save_for_hf(network, tmp_path, safe_serialization=True, data_config=data)
    told = statistics_beside(tmp_path / "model.safetensors")
    assert told.path == tmp_path / "config.json"
    assert told.statistics == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert "config.json tells that images are normalised (mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225)" in str(
        told
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.json", {"mean": [0.5], "std": [0.25]}, ((0.5,), (0.25,))),
        ("config.json", {"pretrained_cfg": {"mean": [0, 0, 0], "std": [1, 1, 1]}}, ((0, 0, 0), (1, 1, 1))),
        ("preprocessor_config.json", {"image_mean": [0.5], "image_std": [0.5]}, ((0.5,), (0.5,))),
        ("config.json", {"architectures": ["ViT"]}, None),
        ("config.json", {"mean": [0.5, 0.5], "std": [0.25]}, None),
        ("config.json", {"mean": [0.5], "std": [0.0]}, None),
        ("config.json", {"mean": "0.5", "std": "0.25"}, None),
        ("config.json", [1, 2], None),
        ("other.json", {"mean": [0.5], "std": [0.25]}, None),
    ],
)
def test_what_the_files_may_hold(tmp_path, name, content, expected):
    (tmp_path / name).write_text(json.dumps(content))
    told = statistics_beside(tmp_path / "pytorch_model.bin")
    assert (None if told is None else told.statistics) == expected


def test_a_file_that_is_no_json_is_none_of_a_hubs(tmp_path):
    (tmp_path / "config.json").write_text("lr: 0.1")
    assert statistics_beside(tmp_path / "weights.pt") is None
    assert statistics_beside(tmp_path / "nowhere" / "weights.pt") is None
