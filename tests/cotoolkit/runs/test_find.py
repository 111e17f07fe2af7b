import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.find import find_checkpoint, find_run, find_runs, shortest_keys
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.study import Study, find_study
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


def test_names_are_literal(tmp_path):
    root = tmp_path / "a [root] *"
    for name in ("b[x]-1", "bx-2", "b*-3", "b?-4", ".hidden-5"):
        write_atomically(root / name / "config.yaml", b"seed: 0")
    assert [run.path.name for run in find_runs(root)] == ["b*-3", "b?-4", "b[x]-1", "bx-2"]
    for key in ("b[x]", "b*", "b?", "bx"):
        assert find_run(root, key).path.name.startswith(key)
    with pytest.raises(RunError, match="none of the 4 runs"):
        find_run(root, "b[y]")
    for name in ("s[x]", "sx"):
        Study(name=name).folder(root).mkdir(parents=True)
        write_atomically(Study(name=name).folder(root) / "study.yaml", f"name: {name!r}".encode())
    assert find_study(root, "s[x]").name == "s[x]"


def test_a_whole_name_is_meant_though_another_begins_with_it(tmp_path):
    for name in ("run", "run-more"):
        write_atomically(tmp_path / name / "config.yaml", b"seed: 0")
    assert find_run(tmp_path, "run").path.name == "run"


@given(st.lists(st.text("0123456789ab", min_size=12, max_size=12), unique=True, max_size=30), st.data())
def test_the_shortest_key_means_one_run(identities, data):
    titles = [data.draw(st.sampled_from(["digits-cnn-fgsm", "012345", "a"])) for _ in identities]
    names = [f"{title}-{identity}" for title, identity in zip(titles, identities, strict=True)]
    keys = shortest_keys(names)
    for name, key in keys.items():
        meant = [one for one in names if one.startswith(key) or one.rpartition("-")[2].startswith(key)]
        assert meant == [name]
    assert len({len(key) for key in keys.values() if "-" not in key}) <= 1


def test_keys_are_as_short_as_can_be():
    names = ["digits-cnn-fgsm-52c0cb6feaf4", "digits-cnn-pgd-52c0cb7aaaaa", "other"]
    assert list(shortest_keys(names[:1]).values()) == ["52c0cb"]
    assert list(shortest_keys(names).values()) == ["52c0cb6", "52c0cb7", "other"]
