import numpy as np
import pandas as pd
from scipy import fft
from torch import nn

from cotoolkit.runs.checkpoints import evaluation_points, trained
from figures.co_features.spectra import attack_spectra, radial


def test_spectra_hold_all_the_energy(folder):
    found = attack_spectra(folder)
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
