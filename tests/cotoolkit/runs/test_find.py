import pytest
import torch

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.runs.find import find_checkpoint, find_run, find_runs
from cotoolkit.runs.folder import RunFolder
from tests._helpers.small import small


def test_finding_runs(tmp_path):
    configs = [small(seed=seed) for seed in range(3)]
    for config in configs:
        RunFolder.of(tmp_path, config).create(config)
    folders = find_runs(tmp_path)
    assert len(folders) == 3
    wanted = RunFolder.of(tmp_path, configs[1])
    assert find_run(tmp_path, configs[1].identity[:8]).path == wanted.path
    assert find_run(tmp_path, wanted.path.name).path == wanted.path
    assert find_run("elsewhere", str(wanted.path)).path == wanted.path
    with pytest.raises(RunError, match="3 runs match 'digits'"):
        find_run(tmp_path, "digits")
    with pytest.raises(RunError, match="none of the 3 runs matches"):
        find_run(tmp_path, "nothing")
    assert repr(wanted).startswith("RunFolder(")


def test_a_checkpoint_of_a_run_by_name_or_iteration(tmp_path):
    config = small()
    folder = RunFolder.of(tmp_path, config)
    folder.create(config)
    for name in ("last", "averaged", 30):
        folder.write_checkpoint(name, {"w": torch.ones(1)}, 30)
    for word, expected in (("", "last"), (":last", "last"), (":averaged", "averaged"), (":30", 30)):
        found, checkpoint = find_checkpoint(tmp_path, f"{config.identity[:6]}{word}")
        assert (found.path, checkpoint) == (folder.path, expected)
        assert folder.checkpoint_iteration(checkpoint) == 30
    with pytest.raises(ConfigError, match="no checkpoint 'best'; there are: 30, averaged, last"):
        find_checkpoint(tmp_path, f"{config.identity}:best")
    with pytest.raises(RunError, match="none of the 1 runs matches 'other'"):
        find_checkpoint(tmp_path, "other:last")
