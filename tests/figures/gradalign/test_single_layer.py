"""The figures of one convolution, on a small run of such a network and on networks and tables made by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cotoolkit import RunConfig, run
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.points import Points
from cotoolkit.runs.folder import RunFolder
from figures.gradalign import feature_maps, filter_norms, filters, training_metrics
from figures.gradalign.single_layer import STEPS, STUDIES, broke_by_seed, parts_of, shown_seed

KEPT = (0, 5, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = RunConfig.model_validate(
        {
            "data": {"name": "digits", "train_size": 200, "test_size": 100},
            "model": {"name": "single_layer_cnn", "width": 4},
            "normalise": "none",
            "epsilon": 0.1,
            "epochs": 5,
            "batch_size": 64,
            "keep": KEPT,
        }
    )
    root = tmp_path_factory.mktemp("runs")
    run(config, root=root)
    return RunFolder.of(root, config)


def one_convolution(filters, outgoing):
    """A network with these filters, (w, C, k, k), for images of 4 x 4, and these outgoing weights, (2, w * 16)."""
    model = nn.Sequential(
        nn.Conv2d(filters.shape[1], len(filters), 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(outgoing.shape[1], 2),
    )
    with torch.no_grad():
        model[0].weight.copy_(filters)
        model[3].weight.copy_(outgoing)
    return model.eval()


def test_iterations_of_the_paper_and_kept_epochs():
    (study,) = STUDIES["paper"]
    runs = study.runs()
    assert STEPS == 382
    assert {run.seed for run in runs} == set(range(10))
    assert all(run.keep[-1] == 30 * STEPS and len(run.keep) == 31 for run in runs)


def test_outgoing_weights_are_those_behind_a_filters_map():
    torch.manual_seed(0)
    model = one_convolution(torch.randn(3, 1, 3, 3), torch.randn(2, 48))
    filters_of, outgoing = parts_of(model)
    images = torch.rand(5, 1, 4, 4)
    maps = model[:2](images).flatten(2)  # (B, w, 16)
    by_filter = torch.stack([maps[:, index] @ outgoing[index].reshape(2, 16).T for index in range(3)])
    torch.testing.assert_close(by_filter.sum(0) + model[3].bias, model(images))
    assert torch.equal(filters_of, model[0].weight)


def test_a_linear_network_has_aligned_gradients_and_the_loss_of_its_logits():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    images, labels = torch.rand(50, 1, 4, 4) * 0.4 + 0.3, torch.randint(2, (50,))
    found = training_metrics.attack_effects(model, Points(images, labels, 2), ThreatModel(0.1), seed=0)
    assert found["gradient_cosine"] == pytest.approx(1.0, abs=1e-5)
    assert found["perturbation_cosine"] == pytest.approx(1.0, abs=1e-5)  # ten steps of epsilon / 4 reach the corner
    slope = (model[1].weight[1] - model[1].weight[0]).detach()
    away = torch.where(labels == 1, -1.0, 1.0)[:, None] * slope.sign()
    logits = model(images + 0.1 * away.reshape(images.shape))
    loss = nn.functional.cross_entropy(logits, labels).item()
    assert found["fgsm_loss"] == pytest.approx(loss, abs=1e-5)
    assert found["pgd_loss"] == pytest.approx(loss, abs=1e-5)
    assert found["fgsm"] == found["pgd"] == (logits.argmax(1) == labels).double().mean().item()


def test_a_run_is_measured_after_each_epoch(folder):
    found = training_metrics.attack_statistics(folder)
    assert set(found["epoch"]) == {0, 1, 2}
    assert set(found["statistic"]) == {name for panel in training_metrics.PANELS.values() for name in panel}
    lengths = filter_norms.norms(folder)
    assert lengths.groupby(["epoch", "statistic"]).size().eq(4).all()
    last = lengths[(lengths["epoch"] == 2) & (lengths["statistic"] == "filter")]["value"]
    weights = folder.checkpoint(KEPT[-1])
    first = next(value for name, value in weights.items() if value.ndim == 4)
    np.testing.assert_allclose(last, first.flatten(1).norm(dim=1), rtol=1e-5)
    assert filters.filter_across_break(folder).empty  # it did not break


def test_noise_in_maps_by_hand(folder):
    found = feature_maps.noise_in_maps(folder)
    ratios = found[found["statistic"] == "ratio"]["value"]
    assert len(ratios) == 4
    assert (ratios > 0).all()
    shown = found[found["statistic"].isin(list(feature_maps.PICTURES))]
    assert shown.groupby(["statistic", "noisy"]).size().eq(64).all()
    image, noisy = (
        shown[(shown["statistic"] == "image") & (shown["noisy"] == which)]["value"].to_numpy()
        for which in (False, True)
    )
    assert 0 < np.abs(image - noisy).max() <= 0.1 + 1e-4


def course(seeds, broke, values):
    """A statistic of value `values[epoch]` for all seeds, of which the first ones break at epoch 1.5."""
    return pd.DataFrame(
        [
            {"seed": seed, "epoch": epoch, "value": value, "broke": 1.5 if seed < broke else np.nan}
            for seed in range(seeds)
            for epoch, value in enumerate(values)
        ]
    )


def test_before_is_the_most_robust_epoch_before_the_break():
    epochs = training_metrics.EPOCHS
    pgd = course(3, 2, [0.1, 0.3, 0.9, *([0.0] * (epochs - 2))])
    cosine = course(3, 2, [0.9, 0.8, 0.2, *([0.1] * (epochs - 2))])
    data = pd.concat([pgd.assign(statistic="pgd"), cosine.assign(statistic="gradient_cosine")])
    found = training_metrics._before_and_end(data, "gradient_cosine")
    assert found["before"].tolist() == [0.8, 0.8]  # epoch 1; epoch 2 lies behind the break at 1.5
    assert found["end"].tolist() == [0.1, 0.1]
    assert broke_by_seed(pgd).notna().tolist() == [True, True, False]
    assert shown_seed(pgd[pgd["seed"] > 0]) == 1


def test_growth_of_a_filter_by_hand():
    epochs = filter_norms.EPOCHS
    lengths = {0: [0.5, 1.0, 4.0, *([5.0] * (epochs - 2))], 1: [2.0, 3.0, 2.0, *([6.0] * (epochs - 2))]}
    rows = [course(3, 2, values).assign(filter=index) for index, values in lengths.items()]
    data = pd.concat(rows).assign(statistic="outgoing")
    found = filter_norms.growth(data, pd.Series({0: 1.5, 1: 2.5, 2: np.nan}))
    assert found.loc[0].tolist() == [5.0, 2.0]  # of epoch 1 alone: what training starts from does not count
    assert found.loc[1].tolist() == [5.0, 3.0]
    assert 2 not in found.index
    keys = {result.claim.key: result.found for result in filter_norms.CLAIMS(data)}
    assert (keys["one_grows"].mean, keys["others_do_not"].mean, keys["one_grows"].n) == (5.0, 2.0, 2)
    assert (keys["not_without"].mean, keys["not_without"].n) == (5.0, 1)


LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=float)


@pytest.mark.parametrize(("weights", "share"), [(LAPLACE, 0), (np.ones((3, 3)), 1)])
def test_a_laplace_filter_does_not_answer_to_even_areas(weights, share):
    rows = [
        {"seed": 0, "when": "after", "channel": channel, "row": row, "column": column, "value": float(value)}
        for channel in range(3)
        for (row, column), value in np.ndenumerate(weights)
    ]
    assert filters.even_response(pd.DataFrame(rows), "after")[0] == pytest.approx(share)


def test_the_papers_curves_are_there_in_our_units():
    data = training_metrics.with_paper(pd.DataFrame())
    assert set(data["series"]) == {"paper"}
    shown = data.pivot_table(index="epoch", columns="statistic", values="value")
    assert shown.shape == (31, 6)
    assert shown["fgsm"].max() < 1
    assert shown.loc[30, "pgd"] == 0


def test_comparisons_are_of_one_number_per_seed_that_broke():
    statistics = [name for panel in training_metrics.PANELS.values() for name in panel]
    values = [0.1, 0.3, *([0.5] * (training_metrics.EPOCHS - 1))]
    ours = pd.concat([course(3, 2, values).assign(statistic=name) for name in statistics]).assign(series="ours")
    found = {one.what: np.asarray(one.ours, float) for one in training_metrics.compare(ours)}
    when = found.pop("epoch of the break")
    assert when[np.isfinite(when)].tolist() == [1.5, 1.5]
    assert len(found) == 6
    assert all(numbers[np.isfinite(numbers)].tolist() == [0.5, 0.5] for numbers in found.values())
