import pytest
import torch

from cotoolkit.core.errors import RunError
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.runs.checkpoints import evaluation_points, network, trained
from cotoolkit.training.run import run
from tests._helpers.small import small

INDUCED = {"name": "inject", "carrier": "paired", "beta": 0.1}


def test_a_trained_model_on_its_evaluation_points_repeats_the_runs_evaluation(tmp_path):
    config = small(intervention=INDUCED, evaluation=["clean", "pgd-3"], box="none")
    folder = run(config, tmp_path, device="cpu")
    points = evaluation_points(config)
    natural = evaluation_points(small())
    assert points.images.shape == natural.images.shape == (60, 1, 8, 8)
    assert (points.images - natural.images).abs().amax() == pytest.approx(0.1, abs=1e-6)
    model = trained(folder)
    assert not model.training
    for name, found in folder.result()["evaluation"].items():
        again = run_protocol(model, points.images, points.labels, config.threat, name, seed=config.seed)
        assert again.accuracy.value == found["value"]


def test_the_first_points_are_a_part_of_all():
    config = small(intervention=INDUCED)
    assert torch.equal(evaluation_points(config).first(7).images, evaluation_points(config).images[:7])


def test_an_input_layer_is_part_of_the_network():
    config = small(input_layer={"name": "low_pass", "bandwidth": 4})
    images = torch.rand(2, 1, 8, 8)
    bare = network(small(), (1, 8, 8), 10)
    layered = network(config, (1, 8, 8), 10)
    assert torch.allclose(layered(images), bare(config.input_layer(images, None, None, classes=10)[0]), atol=1e-6)


def test_what_cannot_be_loaded_is_named(tmp_path):
    folder = run(small(), tmp_path, device="cpu")
    with pytest.raises(RunError, match=r"iteration-3\.safetensors: no such checkpoint"):
        trained(folder, 3)
    folder.write_checkpoint("last", {"0.weight": torch.zeros(1)}, 15)
    with pytest.raises(RunError, match="does not fit the run's model"):
        trained(folder)
