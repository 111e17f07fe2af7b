"""The index is invisible: whatever happens to it or to the runs, what is said is what the folders say now."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cotoolkit.runs import index
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.index import NAME, RunIndex, record_of
from tests._helpers.many_runs import finished_run, finished_runs

RUNS = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Runs to copy."""
    root = tmp_path_factory.mktemp("original")
    finished_runs(root, RUNS)
    return root


@pytest.fixture
def root(original, tmp_path, monkeypatch):
    """Runs that count as settled at once, and an index that is always worth writing."""
    monkeypatch.setattr(index, "SETTLED", -60.0)
    monkeypatch.setattr(index, "WORTH_WRITING", 1)
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def read(monkeypatch):
    """The names of the runs that are read from their folders."""
    names = []

    def counted(folder):
        names.append(folder.path.name)
        return record_of(folder)

    monkeypatch.setattr(index, "record_of", counted)
    return names


def plain(records):
    return [(one.folder.path.name, one.settings, one.result, one.damage) for one in records]


def directly(root):
    return plain(record_of(folder) for folder in find_runs(root))


def edit(path, change):
    time.sleep(0.01)  # a clock of the file system may tick every 4 ms
    path.write_bytes(change(path.read_bytes()))


def some_file(root, draws):
    folder = draws.choice(find_runs(root)).path
    return folder / draws.choice(["config.yaml", "status.json", "result.json"])


def flipped(content, draws):
    place = draws.integers(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draws.integers(8)]) + content[place + 1 :]


def a_flipped_bit(root, draws):
    path = some_file(root, draws)
    if path.is_file():
        edit(path, lambda content: flipped(content, draws) if content else b"x")


def another_result_of_the_same_size_and_time(root, draws):
    path = draws.choice(find_runs(root)).path / "result.json"
    if path.is_file():
        before = path.stat()
        edit(path, lambda content: content.replace(b'"robust"', b'"robxst"'))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def a_run_that_goes_on(root, draws):
    status = draws.choice(find_runs(root)).path / "status.json"
    if status.is_file():
        time.sleep(0.01)
        index.RunFolder(status.parent).set_state("running")


def a_deleted_run(root, draws):
    shutil.rmtree(draws.choice(find_runs(root)).path)


def a_new_run(root, draws):
    finished_run(root, seed=int(draws.integers(1000, 2000)), robust=float(draws.uniform()))


def a_missing_file(root, draws):
    path = some_file(root, draws)
    if path.is_file():
        path.unlink()


def a_folder_in_the_place_of_a_file(root, draws):
    path = some_file(root, draws)
    if path.is_file():
        path.unlink()
        path.mkdir()


def two_folders_that_change_names(root, draws):
    first, second = (run.path for run in draws.choice(find_runs(root), 2, replace=False))
    first.rename(root / "between")
    second.rename(first)
    (root / "between").rename(second)


def odd_configurations(root, draws):
    text = draws.choice(
        ["[]", "a: 2001-01-01", "a: !!set {b}", "&a [*a]", "&a {b: *a}", "a: .nan", "2: 3", "a: [{b: 1}]"]
    )
    edit(draws.choice(find_runs(root)).path / "config.yaml", lambda content: text.encode())


def no_index(root, draws):
    path = root / NAME
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def a_damaged_index(root, draws):
    path = root / NAME
    if path.is_file():
        for _ in range(draws.integers(1, 30)):
            path.write_bytes(flipped(path.read_bytes(), draws))


def a_short_index(root, draws):
    path = root / NAME
    if path.is_file():
        path.write_bytes(path.read_bytes()[: draws.integers(20_000)])


def a_foreign_index(root, draws):
    no_index(root, draws)
    (root / NAME).write_bytes(b"no database")


def a_folder_in_the_place_of_the_index(root, draws):
    no_index(root, draws)
    (root / NAME).mkdir()


EDITS = (
    a_flipped_bit,
    another_result_of_the_same_size_and_time,
    a_run_that_goes_on,
    a_deleted_run,
    a_new_run,
    a_missing_file,
    a_folder_in_the_place_of_a_file,
    two_folders_that_change_names,
    odd_configurations,
    no_index,
    a_damaged_index,
    a_short_index,
    a_foreign_index,
    a_folder_in_the_place_of_the_index,
)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_index_says_what_the_folders_say(root, seed):
    draws = np.random.default_rng(seed)
    for _ in range(20):
        happens = EDITS[draws.integers(len(EDITS))]
        happens(root, draws)
        expected = repr(directly(root))
        assert repr(plain(RunIndex(root).records())) == expected, happens.__name__
        assert repr(plain(RunIndex(root).records())) == expected, f"{happens.__name__}, again"


def test_only_what_changed_is_read_again(root, read):
    assert len(RunIndex(root).records()) == len(read) == RUNS
    read.clear()
    before = RunIndex(root).records()
    assert read == []
    changed = before[3].folder
    changed.write_result({**changed.result(), "seconds": 99.0})
    after = RunIndex(root).records()
    assert read == [changed.path.name]
    assert after[3].result["seconds"] == 99.0
    read.clear()
    some = [before[5].folder, before[2].folder]
    assert plain(RunIndex(root).records(some)) == [plain(before)[5], plain(before)[2]]
    assert read == []


def test_a_damaged_run_is_told_each_time(root, read):
    folder = find_runs(root)[0]
    (folder.path / "result.json").write_text("{}")
    for _ in range(3):
        read.clear()
        told = [one.damage for one in RunIndex(root).records() if one.damage]
        assert told == [f"{folder.path / 'result.json'}: damaged; delete the folder, or run again with --fresh"]
    assert read == [folder.path.name]


def test_what_was_written_just_now_is_not_stored_since_its_clock_may_stand_still(root, read, monkeypatch):
    monkeypatch.setattr(index, "SETTLED", 3600.0)
    RunIndex(root).records()
    read.clear()
    RunIndex(root).records()
    assert len(read) == RUNS
    assert not (root / NAME).exists()


def test_few_runs_are_read_and_not_stored(root, read, monkeypatch):
    monkeypatch.setattr(index, "WORTH_WRITING", RUNS + 1)
    RunIndex(root).records()
    assert not (root / NAME).exists()
    finished_run(root, seed=5000)
    RunIndex(root).records()
    assert (root / NAME).exists()


def test_other_code_reads_again(root, read, monkeypatch):
    RunIndex(root).records()
    read.clear()
    monkeypatch.setattr(index, "_code", lambda: b"other")
    RunIndex(root).records()
    assert len(read) == RUNS


def test_a_root_that_cannot_be_written_costs_only_time(root, monkeypatch):
    def refused(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index, "write_atomically", refused)
    assert plain(RunIndex(root).records()) == directly(root)


def test_many_readers_and_writers_at_once(root):
    expected = json.dumps(directly(root))

    def looks(number):
        if number % 3 == 0:
            (root / NAME).unlink(missing_ok=True)
        return json.dumps(plain(RunIndex(root).records()))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(looks, range(24))) == {json.dumps(json.loads(expected))}


def test_a_run_elsewhere_is_read_without_the_index(root, tmp_path_factory):
    elsewhere = finished_run(tmp_path_factory.mktemp("elsewhere"), seed=7)
    (record,) = RunIndex(root).records([elsewhere])
    assert record.settings["seed"] == 7
    assert not (elsewhere.path.parent / NAME).exists()
