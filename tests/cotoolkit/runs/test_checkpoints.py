import pytest
import torch

from cotoolkit import load_run
from cotoolkit.core.errors import ConfigError, RunError
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


def test_a_run_is_loaded_as_a_plain_module_with_its_normalisation_inside(tmp_path):
    config = small(keep=[0, 7], normalise="mnist")
    folder = run(config, tmp_path, device="cpu")
    images = torch.rand(3, 1, 8, 8)
    last = load_run(folder)
    assert isinstance(last, torch.nn.Module)
    assert not last.training
    state = folder.checkpoint("last")
    assert {name: value.tolist() for name, value in last.state_dict().items()} == {
        name: value.tolist() for name, value in state.items()
    }
    with torch.no_grad():
        by_hand = last.network.eval()((images - 0.1307) / 0.3081)
        torch.testing.assert_close(last(images), by_hand)
        start = network(config, (1, 8, 8), 10).eval()
        torch.testing.assert_close(load_run(folder.path, 0)(images), start(images))
        key = folder.path.name.rpartition("-")[2][:8]
        assert torch.equal(load_run(key, "7", root=tmp_path)(images), load_run(folder, 7)(images))
        assert torch.equal(load_run(key, "last", root=tmp_path, device="cpu")(images), last(images))
        assert not torch.equal(load_run(folder, 7)(images), last(images))
    assert torch.equal(load_run(folder, "best").state_dict()["mean"], torch.full((1, 1, 1), 0.1307))


def test_what_load_run_refuses_is_told_in_one_line(tmp_path):
    folder = run(small(keep=[7]), tmp_path, device="cpu")
    with pytest.raises(ConfigError, match=r"no checkpoint '8'; there are: 7, .*last") as caught:
        load_run(folder, 8)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="none of the 1 runs matches 'nobody'"):
        load_run("nobody", root=tmp_path)
    with pytest.raises(ConfigError, match="device is 'cuda:77', which torch cannot use") as caught:
        load_run(folder, device="cuda:77")
    assert "\n" not in str(caught.value)
