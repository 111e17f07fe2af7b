import numpy as np
import pytest
import torch

from figures.co_features.ablations import cross_test, variants
from interventions.carriers import Paired


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
