import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.launchers.shard import shard_of
from cotoolkit.studies.study import Study
from tests._helpers.launched import TINY, stamps, tiny_study


@pytest.mark.parametrize("of", [1, 2, 3, 5, 7, 30])
def test_shards_are_disjoint_and_make_up_the_study(of):
    grid = {"method": ("fgsm", "pgd", "n_fgsm"), "seed": tuple(range(4))}
    study = Study(name="a", base=TINY, grids=(grid,))
    turned = Study(name="b", base=TINY, grids=({"seed": (3, 1, 2, 0), "method": ("pgd", "n_fgsm", "fgsm")},))
    shards = [[run.identity for run in shard_of(study.runs(), f"{i}/{of}")] for i in range(1, of + 1)]
    assert sorted(run for shard in shards for run in shard) == sorted(run.identity for run in study.runs())
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert shards == [[run.identity for run in shard_of(turned.runs(), f"{i}/{of}")] for i in range(1, of + 1)]


def test_each_shard_has_its_share_of_a_slow_method():
    study = Study(name="a", base=TINY, grids=({"method": ("fgsm", "pgd"), "seed": tuple(range(8))},))
    for i in range(1, 5):
        assert [run.method.name for run in shard_of(study.runs(), f"{i}/4")] == ["fgsm"] * 2 + ["pgd"] * 2


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "1.5/2", "1/9999999"])
def test_what_is_no_shard_is_one_line(text):
    with pytest.raises(ConfigError, match="write i/n with i from 1 to n"):
        shard_of([], text)


@pytest.mark.slow
def test_shards_through_the_command_line(cli, tmp_path):
    words = ["study", "run", "--file", "study.yaml", "--device", "cpu", "--jobs", "1", "--shard"]
    study = tiny_study()
    study.folder(tmp_path).mkdir(parents=True)
    (tmp_path / "study.yaml").write_text(study.model_dump_json())
    code, out, _ = cli(*words, "1/2")
    assert code == 0, out
    first = stamps(study, tmp_path / "runs")
    assert len(first) == 2
    code, out, _ = cli(*words, "2/2")
    assert code == 0, out
    both = stamps(study, tmp_path / "runs")
    assert len(both) == 3
    assert first.items() <= both.items()
    code, out, _ = cli(*words, "4/4")
    assert (code, out.strip()) == (0, "shard 4/4 is empty: the study has 3 runs")
    code, _, err = cli(*words, "3/2")
    assert code == 2
    assert "write i/n" in err
