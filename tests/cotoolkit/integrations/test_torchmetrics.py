import copy
import logging
import pickle
import re
import sys
from pathlib import Path

import pytest
import torch
from torchmetrics import MetricCollection

from cotoolkit import ThreatModel
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.evaluation import Protocol, evaluate
from cotoolkit.intake.preparation import image_model
from cotoolkit.integrations.torchmetrics import RobustAccuracy
from tests._helpers.networks import Linear, conv_net
from tests._helpers.processes import in_two_processes

THREAT = ThreatModel(0.03)
SIZE = 16


def world(count=56):
    """A network, images, and labels of which it has most right."""
    model = conv_net()
    images = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model[-1].bias -= model.eval()(images).mean(0)  # so that no class wins everywhere
        labels = model(images).argmax(1)
    labels[::5] = 0
    return model, images, labels


def batches(images, labels):
    return zip(images.split(SIZE), labels.split(SIZE), strict=True)


@pytest.mark.parametrize("protocol", ["clean", "fgsm", "pgd-3-2", Protocol(steps=2, step_size=0.5)])
def test_batches_add_up_to_what_evaluate_finds_on_all_points(protocol):
    model, images, labels = world()
    whole = evaluate(model, images, labels, THREAT, protocol, seed=3, batch_size=SIZE)
    metric = RobustAccuracy(THREAT, protocol, model=model, seed=3)
    for part in batches(images, labels):
        metric.update(*part)
    assert metric.compute().item() == pytest.approx(whole.accuracy.value, abs=1e-7)
    assert 0.1 < whole.accuracy.value < (0.9 if protocol == "clean" else 0.7)
    assert (int(metric.correct), int(metric.points)) == (int(whole.correct.sum()), 56)
    metric.reset()
    for part in batches(images, labels):  # the network may also come with each batch, which may be evaluated at once
        value = metric(*part, model=model)
        assert 0 <= value <= 1
    assert int(metric.correct) == int(whole.correct.sum())


def test_forward_gives_the_batchs_share_under_the_draws_of_its_place():
    model, images, labels = world()
    metric = RobustAccuracy(THREAT, "pgd-2", model=model)
    for number, part in enumerate(batches(images, labels)):
        alone = evaluate(model, *part, THREAT, "pgd-2", batch_size=SIZE, first=SIZE * number)
        assert metric(*part).item() == pytest.approx(alone.accuracy.value)


def test_normalisation_is_told_as_to_evaluate():
    model, images, labels = world()
    options = {"mean": 0.5, "std": 0.25}
    whole = evaluate(model, images, labels, THREAT, "fgsm", **options)
    metric = RobustAccuracy(THREAT, "fgsm", model=model, **options)
    metric.update(images, labels)
    assert metric.compute().item() == pytest.approx(whole.accuracy.value)
    assert whole.correct.tolist() != evaluate(model, images, labels, THREAT, "fgsm").correct.tolist()


def test_by_hand_in_training_mode_without_gradients_and_left_alone():
    weight = torch.tensor([1.0, -2.0, 0.5, 0.25])
    images = 0.5 + 0.2 * (torch.rand(30, 1, 2, 2, generator=torch.Generator().manual_seed(0)) - 0.5)
    model, score = Linear(weight).train(), images.flatten(1) @ weight
    metric = RobustAccuracy(THREAT, "fgsm", model=model)
    for context in (torch.no_grad(), torch.inference_mode()):
        metric.reset()
        with context:
            metric.update(images, (score > 0).long())
        expected = (score.abs() > 0.03 * weight.abs().sum()).float().mean()  # a sign step moves the score by that much
        assert metric.compute().item() == pytest.approx(expected.item())
    assert 0.1 < expected < 0.9
    assert model.training
    assert model.weight.grad is None


def test_the_network_is_no_part_of_the_metric_and_the_same_in_a_copy():
    model, images, labels = world()
    metric = RobustAccuracy(THREAT, "clean", model=model)
    assert not list(metric.parameters())
    assert not metric.state_dict()
    other, cloned = copy.deepcopy(metric), metric.clone()
    with torch.no_grad():
        model[-1].bias += torch.tensor([1e3, 0, 0, 0])  # training goes on: now all images are of class 0
    share = (labels == 0).float().mean().item()
    for one in (metric, other, cloned):
        one.update(images, labels)
        assert one.compute().item() == pytest.approx(share)
    metric.double()
    assert next(model.parameters()).dtype == torch.float32
    thawed = pickle.loads(pickle.dumps(metric))
    assert thawed.compute().item() == pytest.approx(share)


def test_a_collection_keeps_metrics_apart_that_agree_on_the_first_batch():
    model, images, labels = world()
    with torch.no_grad():
        wrong = (model(images[:SIZE]).argmax(1) + 1) % 4
    found = MetricCollection({
        name: RobustAccuracy(THREAT, name, model=model) for name in ("clean", "fgsm", "pgd-3")
    })  # fmt: skip
    found.update(images[:SIZE], wrong)
    assert found["clean"].correct == found["pgd-3"].correct == 0
    found.update(images[SIZE:], labels[SIZE:])
    expected = {
        name: int(evaluate(model, images[SIZE:], labels[SIZE:], THREAT, name, first=SIZE).correct.sum())
        for name in ("clean", "pgd-3")
    }
    assert expected["clean"] > expected["pgd-3"]
    assert {name: int(found[name].correct) for name in expected} == expected


def _share(rank):
    model, images, labels = world()
    metric = RobustAccuracy(THREAT, "pgd-2", model=model)
    mine = slice(0, 40) if rank == 0 else slice(40, 56)  # unequal parts: shares may not be averaged
    metric.update(images[mine], labels[mine])
    found = float(metric.compute())
    own = int(metric.points)
    metric.update(images[:1], labels[:1])  # after a sync each process goes on with its own counts
    return {"share": found, "own": own, "after": int(metric.points)}


@pytest.mark.slow
def test_counts_are_added_over_processes(tmp_path):
    model, images, labels = world()
    parts = [evaluate(model, images[mine], labels[mine], THREAT, "pgd-2") for mine in (slice(0, 40), slice(40, 56))]
    expected = sum(int(part.correct.sum()) for part in parts) / 56
    first, second = in_two_processes(_share, tmp_path)
    assert first["share"] == second["share"] == pytest.approx(expected, abs=1e-7)
    assert parts[0].accuracy.value != parts[1].accuracy.value
    assert [(one["own"], one["after"]) for one in (first, second)] == [(40, 41), (16, 17)]


def test_before_any_image_the_share_is_nan(caplog):
    with caplog.at_level(logging.ERROR), pytest.warns(UserWarning, match="before the ``update``"):
        assert RobustAccuracy(THREAT).compute().isnan()


def test_bad_input_is_refused_in_one_line():
    model, images, labels = world()
    with pytest.raises(ConfigError, match=r"threat is 0\.03"):
        RobustAccuracy(0.03)
    with pytest.raises(ConfigError, match="did you mean pgd-10"):
        RobustAccuracy(THREAT, "pdg-10")
    metric = RobustAccuracy(THREAT)
    with pytest.raises(ConfigError, match="has no network: give model= to it, or to update"):
        metric.update(images, labels)
    with pytest.raises(DataError):
        metric.update(images * 255, labels, model)
    assert int(metric.points) == 0


def test_without_torchmetrics_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "cotoolkit.integrations.torchmetrics")
    with pytest.raises(ConfigError, match=r"needs torchmetrics: pip install 'cotoolkit\[lightning\]'"):
        __import__("cotoolkit.integrations.torchmetrics")


def test_the_example_of_the_page_runs():
    page = (Path(__file__).parents[3] / "docs" / "where_it_runs.md").read_text()
    (block,) = [one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "RobustAccuracy" in one]
    network, images, labels = world()
    names = {"network": network, "loader": list(batches(images, labels))}
    exec(block, names)
    found = evaluate(network, images, labels, ThreatModel("8/255"), "pgd-10", batch_size=SIZE)
    assert names["accuracy"].item() == pytest.approx(found.accuracy.value)


def test_a_network_that_was_prepared_once_gives_the_same():
    network, images, labels = world()
    prepared = image_model(network, shape=(1, 6, 6), mean=0.5, std=0.5)
    metric = RobustAccuracy(THREAT, "pgd-2", model=prepared)
    for part in batches(images, labels):
        metric.update(*part)
    found = evaluate(network, images, labels, THREAT, "pgd-2", mean=0.5, std=0.5, batch_size=SIZE)
    assert metric.compute().item() == pytest.approx(found.accuracy.value)


def test_an_option_that_there_is_not_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"RobustAccuracy: unknown option foo; choose from .*mean"):
        RobustAccuracy(THREAT, "fgsm", foo=3)
