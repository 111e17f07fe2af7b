import numpy as np
import pytest
import torch

from analyses.core.runner import StudyRunner
from cotoolkit.core.errors import DataError
from cotoolkit.runs.folder import RunFolder
from figures.co_features import calibration
from figures.co_features.calibration import contrast_kept, outside
from figures.co_features.setups.perturbation_measures import removed_energy


def test_overshoot_energy_and_contrast_by_hand():
    images = torch.tensor([[[[-0.2, 0.5], [1.05, 1.0]]], [[[0.0, 0.5], [0.5, 1.0]]]])
    assert outside(images) == (2 / 8, 1 / 2)
    assert outside(images, 0.1) == (1 / 8, 1 / 2)
    assert removed_energy(torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 2, 2)) == pytest.approx(0.75)
    wave = torch.tensor([[[[1.0, -1.0], [1.0, -1.0]]]])
    assert contrast_kept(wave + 5, wave / 2) == pytest.approx(0.25)


def test_calibration_without_its_data_says_so_in_one_line(monkeypatch, tmp_path):
    monkeypatch.delenv("COTOOLKIT_DATA", raising=False)
    with pytest.raises(DataError) as error:
        calibration.collect("laptop", StudyRunner(tmp_path, tmp_path))
    assert "COTOOLKIT_DATA" in str(error.value)
    assert "\n" not in str(error.value)


def test_calibration_of_the_digits_counts_what_lies_outside():
    table = calibration.collect("digits", StudyRunner(RunFolder("unused").path, RunFolder("unused").path))
    entries = table[table["measure"] == "entries_outside"].groupby("at")["value"].mean()
    assert entries[0.0] == 0
    assert entries.is_monotonic_increasing
    kept = table[(table["measure"] == "kept_square") & (table["at"] == 8)]["value"]
    assert kept.to_numpy() == pytest.approx(np.ones(5), abs=1e-5)
