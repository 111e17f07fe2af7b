"""What the co_features recipes measure of networks, against other ways to compute it."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import fft
from torch import nn

from analyses.core.runner import StudyRunner
from cotoolkit.core.errors import DataError, RunError
from cotoolkit.evaluation.protocol import evaluate, named_protocol
from cotoolkit.runs.checkpoints import Points, evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run
from figures.co_features import calibration
from figures.co_features.ablations import cross_test, variants
from figures.co_features.calibration import contrast_kept, outside, removed
from figures.co_features.perturbations import pictures
from figures.co_features.spectra import radial, spectra
from figures.co_features.steps import steps
from figures.co_features.watched import (
    around,
    beside_break,
    course,
    curvature,
    hidden_on_the_way,
    injection_of,
    second_step,
    share,
    states,
)
from interventions.carriers import Paired
from tests._helpers.small import small

KEPT = (0, 5, 10, 15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run without a break that kept four states of its weights."""
    config = small(intervention={"name": "inject", "carrier": "paired", "beta": 0.15}, box="none", keep=KEPT)
    return run(config, tmp_path_factory.mktemp("runs"), device="cpu")


class Broken(RunFolder):
    """A run that says it broke at iteration 8, certainly between 7 and 9."""

    def result(self):
        detail = {"earliest": 7, "latest": 9}
        return {**super().result(), "breakpoint": {"iteration": 8, "detail": detail}}


class Early(Broken):
    def result(self):
        return {**super().result(), "breakpoint": {"iteration": 0, "detail": {"earliest": 0, "latest": 0}}}


class Late(Broken):
    def result(self):
        return {**super().result(), "breakpoint": {"iteration": 14, "detail": {"earliest": 13, "latest": 14}}}


def test_the_sides_of_a_break_are_kept_iterations_clear_of_it(folder):
    assert around(Broken(folder.path)) == (5, 15)  # 10 is less than one distance behind 9
    assert around(Late(folder.path)) == (10, 15)
    assert states(folder) == {"trained": 15}
    assert states(Broken(folder.path)) == {"before": 5, "after": 15}
    with pytest.raises(RunError, match="has no break"):
        around(folder)
    with pytest.raises(RunError, match="set keep"):
        around(Early(folder.path))


def test_a_run_without_a_feature_has_none_to_look_for():
    with pytest.raises(RunError, match="injects no feature"):
        injection_of(small())


def test_cancelling_the_own_feature_is_1_and_all_of_the_energy():
    vectors, labels = Paired().vectors(10, (3, 8, 8)), torch.tensor([3, 7])
    delta = -0.1 * vectors[labels]
    found = share(delta, labels, vectors, epsilon=0.1)
    assert torch.allclose(found.cancelled, torch.ones(2))
    assert torch.allclose(found.inside, torch.ones(2))
    other = share(delta, (labels + 1) % 10, vectors, epsilon=0.1)
    assert torch.allclose(other.cancelled, torch.zeros(2), atol=1e-6)
    opposite = share(delta, (labels + 5) % 10, vectors, epsilon=0.1)
    assert torch.allclose(opposite.cancelled, -torch.ones(2))


def test_random_signs_lie_in_the_span_by_rank_over_dimension():
    draws = torch.Generator().manual_seed(0)
    delta = torch.randint(2, (4000, 1, 8, 8), generator=draws).float() * 2 - 1
    vectors, labels = Paired().vectors(10, (1, 8, 8)), torch.randint(10, (4000,), generator=draws)
    found = share(delta, labels, vectors, epsilon=1.0)
    assert float(found.inside.mean()) == pytest.approx(5 / 64, abs=0.004)
    assert float(found.cancelled.mean()) == pytest.approx(0, abs=0.01)


def test_curvature_is_the_mean_top_eigenvalue_of_the_exact_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    images, labels = torch.rand(5, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1])

    def largest(image, label):
        def loss(flat):
            return nn.functional.cross_entropy(model(flat.view(1, 1, 2, 2)), label[None])

        values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, image.flatten()))
        return values[values.abs().argmax()]

    expected = torch.stack([largest(image, label) for image, label in zip(images, labels, strict=True)]).mean()
    assert curvature(model, images, labels, 0) == pytest.approx(float(expected), rel=0.02)


def test_the_course_of_a_run_ends_with_the_networks_own_accuracy(folder):
    found = course(folder)
    assert found["iteration"].tolist() == list(KEPT)
    assert found["kept"].all()
    assert found["breakpoint"].isna().all()
    assert found["random"].unique().tolist() == [5 / 64]
    assert found["clean"].iloc[-1] == folder.result()["evaluation"]["clean"]["value"]
    assert found["fgsm_inside"].between(0, 1).all()
    assert found["fgsm_cancelled"].abs().max() <= 1 + 1e-6


def test_a_measure_beside_the_break_is_that_of_the_same_seed_and_iteration():
    rows = [
        (arm, seed, iteration, 100 * seed + iteration + (0.5 if arm == "pgd_with" else 0.0), before)
        for arm in ("fgsm_with", "pgd_with")
        for seed, before in ((2, 10.0), (0, 5.0), (1, np.nan))
        for iteration in (5, 10)
    ]
    data = pd.DataFrame(rows, columns=["arm", "seed", "iteration", "value", "before"])
    data.loc[data["arm"] == "pgd_with", "before"] = np.nan
    assert beside_break(data, "fgsm_with", "value", "before").tolist() == [5.0, 210.0]  # seeds 0 and 2
    assert beside_break(data, "pgd_with", "value", "before").tolist() == [5.5, 210.5]


def test_the_second_step_of_a_linear_model_of_two_classes_is_the_first():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))  # its gradient has one direction everywhere
    points = Points(torch.rand(8, 1, 8, 8), torch.arange(8) % 2, 2)
    assert torch.allclose(second_step(model, points, small()), torch.ones(8))


def test_hidden_images_are_right_at_the_end_and_wrong_before():
    correct = torch.tensor(
        [[True, True, False, True], [True, False, False, True], [True, True, True, False], [False, True, True, True]]
    )
    assert hidden_on_the_way(correct, end=2) == 0.5  # the second and the third
    assert hidden_on_the_way(correct, end=1) == 0.0


def test_test_data_carry_the_feature_they_say():
    vectors, draws = Paired().vectors(10, (1, 8, 8)), torch.Generator().manual_seed(0)
    images, labels = torch.rand(20, 1, 8, 8, generator=draws), torch.arange(20) % 10
    found = variants(images, labels, vectors, beta=0.5)
    for name, (inputs, true, carried) in found.items():
        base = torch.zeros_like(inputs) if name == "alone" else images
        if name == "natural":
            assert (carried == -1).all()
            assert torch.equal(inputs, images)
        else:
            assert torch.allclose(inputs, base + 0.5 * vectors[carried], atol=1e-6)
        assert torch.equal(true, torch.arange(10) if name == "alone" else labels)
    assert torch.equal(found["reversed"][2], (labels + 5) % 10)
    assert (found["permuted"][2] != labels).all()


def test_cross_testing_repeats_the_runs_clean_accuracy(folder):
    found = cross_test(folder).set_index("test")
    assert found.at["injected", "accuracy"] == pytest.approx(folder.result()["evaluation"]["clean"]["value"])
    assert found.at["injected", "follows"] == found.at["injected", "accuracy"]
    assert np.isnan(found.at["natural", "follows"])
    assert (found["robust"] <= found["accuracy"]).all()


def test_spectra_hold_all_the_energy(folder):
    found = spectra(folder)
    points, model = evaluation_points(folder.config()), trained(folder)
    images = points.images.clone().requires_grad_()
    nn.functional.cross_entropy(model(images), points.labels, reduction="sum").backward()
    expected = (fft.dctn(images.grad.sign().numpy(), axes=(2, 3), norm="ortho") ** 2).mean((0, 1))
    square = found.pivot_table(index="p", columns="q", values="energy").to_numpy()
    np.testing.assert_allclose(square, expected, rtol=1e-4, atol=1e-5)


def test_the_radius_of_a_coefficient_is_the_larger_index():
    table = pd.DataFrame(
        {"state": "trained", "seed": 0, "p": [0, 0, 1, 1], "q": [0, 1, 0, 1], "energy": [4.0, 1, 2, 3]}
    )
    assert radial(table)["energy"].tolist() == [4.0, 2.0]


def test_one_step_of_the_table_is_fgsm(folder):
    found = steps(folder).set_index(["measure", "at"])["value"]
    points, config = evaluation_points(folder.config()), folder.config()
    once = evaluate(trained(folder), points.images, points.labels, config.threat, named_protocol("fgsm"))
    assert found["pgd", 1] == found["fgsm_way", 1.0] == once.accuracy.value
    assert found["fgsm_way", 0.0] == found["random_way", 0.0] == folder.result()["evaluation"]["clean"]["value"]


def test_pictures_show_the_image_and_its_feature(folder):
    found = pictures(Broken(folder.path))
    assert len(found) == 4 * 64
    points = evaluation_points(folder.config())
    plane = found[found["image"] == 2].pivot_table(index="row", columns="column", values="x").to_numpy()
    first = points.images[points.labels == 2][0, 0]
    np.testing.assert_allclose(plane, first.numpy(), atol=1e-4)
    assert set(found["v"]) == {-1.0, 1.0}
    assert found[["early", "before", "after", "last"]].abs().max().max() <= 1
    assert found["at_before"].unique().tolist() == [5]


def test_overshoot_energy_and_contrast_by_hand():
    images = torch.tensor([[[[-0.2, 0.5], [1.05, 1.0]]], [[[0.0, 0.5], [0.5, 1.0]]]])
    assert outside(images) == (2 / 8, 1 / 2)
    assert outside(images, 0.1) == (1 / 8, 1 / 2)
    assert removed(torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 2, 2)) == pytest.approx(0.75)
    wave = torch.tensor([[[[1.0, -1.0], [1.0, -1.0]]]])
    assert contrast_kept(wave + 5, wave / 2) == pytest.approx(0.25)


def test_calibration_without_its_data_says_so_in_one_line(monkeypatch, tmp_path):
    monkeypatch.delenv("COTOOLKIT_DATA", raising=False)
    with pytest.raises(DataError) as error:
        calibration.collect("laptop", StudyRunner(tmp_path, tmp_path))
    assert "COTOOLKIT_DATA" in str(error.value)
    assert "\n" not in str(error.value)


def test_calibration_of_the_digits_counts_what_lies_outside():
    table = calibration.collect("smoke", StudyRunner(RunFolder("unused").path, RunFolder("unused").path))
    entries = table[table["measure"] == "entries_outside"].groupby("at")["value"].mean()
    assert entries[0.0] == 0
    assert entries.is_monotonic_increasing
    kept = table[(table["measure"] == "kept_square") & (table["at"] == 8)]["value"]
    assert kept.to_numpy() == pytest.approx(np.ones(5), abs=1e-5)
