import pytest

from cotoolkit.core.errors import RunError
from cotoolkit.runs.find import find_run, find_runs
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
