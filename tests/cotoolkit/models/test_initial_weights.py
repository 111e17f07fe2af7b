import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.small import small


def test_a_run_can_start_from_anothers_weights(tmp_path):
    first = run(small(seed=3), tmp_path, device="cpu")
    path = str(first.checkpoint_path("last"))
    config = small(initial=path, keep=[0])
    assert config.initial.startswith(f"{path}#")
    assert small(initial=config.initial, keep=[0]) == config
    second = run(config, tmp_path, device="cpu")
    reached, started = first.checkpoint("last"), second.checkpoint(0)
    assert all(torch.equal(reached[name], started[name]) for name in reached)
    assert not torch.equal(second.checkpoint("last")["0.weight"], reached["0.weight"])


def test_the_content_of_the_weights_is_part_of_the_identity(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"a")
    before = small(initial=str(path))
    path.write_bytes(b"b")
    assert small(initial=str(path)).identity != before.identity
    with pytest.raises(ConfigError, match="has changed since"):
        Trainer(before, device="cpu")
    with pytest.raises(ConfigError, match="is no safetensors file"):
        Trainer(small(initial=str(path)), device="cpu")


def test_weights_that_are_missing_or_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"initial: no weights file nowhere\.safetensors"):
        small(initial="nowhere.safetensors")
    other = run(small(model__width=2), tmp_path, device="cpu")
    with pytest.raises(ConfigError, match="does not fit the model"):
        Trainer(small(initial=str(other.checkpoint_path("last"))), device="cpu")


def test_a_hash_sign_in_a_path_is_no_stamp(tmp_path):
    path = tmp_path / "a#b" / "w.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"a")
    assert small(initial=str(path)).initial.startswith(f"{path}#")
