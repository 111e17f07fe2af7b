import torch

from cotoolkit.runs.folder import RunFolder
from figures.co_features.setups.setup import SETUPS
from figures.co_features.warm_start import _warm, _warm_study


def test_each_seed_starts_from_weights_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    setup = SETUPS["digits"]
    for seed in (0, 1):
        start = RunFolder.of(tmp_path, setup.config(setup.arm(method=setup.pgd), seed))
        start.write_checkpoint("last", {"w": torch.full((2,), float(seed))}, 480)
    runs = _warm_study(setup, {seed: _warm(setup, tmp_path, seed) for seed in (0, 1)}).runs()
    assert [run.seed for run in runs] == [0, 1]
    assert len({run.initial for run in runs}) == 2
    assert all(run.method.name == "fgsm" for run in runs)
