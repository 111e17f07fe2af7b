import random

import pytest

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.selection import CONDITION, columns_of, in_order_of, select_runs, some_runs
from tests._helpers.many_runs import finished_runs
from tests._helpers.small import small


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """24 finished runs: 3 methods, 4 radii, seeds 0 and 1; 4 of them broke, at 100 and 101. And one that is new."""
    root = tmp_path_factory.mktemp("runs")
    finished_runs(root, 24)
    config = small(method="pgd", seed=9, epsilon="8/255", keep=[3, 7])
    RunFolder.of(root, config).create(config)
    return root


COUNTS = [
    ("", 25),
    ("method=fgsm", 8),
    ("method==fgsm", 8),
    ("method!=fgsm", 17),
    ("method=[fgsm,pgd]", 17),
    ("method~fgsm", 16),
    ("method~FGSM", 16),
    ("epsilon>=4/255", 19),
    ("epsilon>4/255", 13),
    ("epsilon<=0.01568627450980392", 12),
    ("epsilon=0.0156862745", 6),
    ("epsilon=4/255 seed=0", 3),
    ("epsilon<4/255", 6),
    ("seed=0..4", 24),
    ("seed=[0,9]", 13),
    ("seed!=[0,9]", 12),
    ("seed=abc", 0),
    ("seed=true", 0),
    ("state=done", 24),
    ("state=new", 1),
    ("breakpoint=none", 20),
    ("breakpoint!=none", 4),
    ("breakpoint>=101", 2),
    ("verdict~overfitting", 4),
    ("verdict!=robust", 4),
    ("verdict~robust method=pgd", 8),
    ("collapsed=true", 4),
    ("pgd-3<0.1", 4),
    ("pgd-3>=.599", 20),
    ("pgd-3=0.599", 10),
    ("data=digits", 25),
    ("data.train_size=320", 25),
    ("intervention=none", 25),
    ("method.alpha=none", 25),
    ("keep=(3,7)", 1),
    ("keep=(3,8)", 0),
    ("schedule.milestones=(1/2,3/4)", 25),
    ("evaluation=(clean,pgd-3)", 25),
    ("beta=0", 25),
    ("run~pgd", 9),
    ("precision=32", 25),
    ("decay_norm_and_bias=true", 25),
    ("decay_norm_and_bias=1", 0),
]


@pytest.mark.parametrize(("words", "count"), COUNTS)
def test_conditions(root, words, count):
    assert len(select_runs(root, words.split())) == count


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("metod=fgsm", ConfigError, "none of the runs here has it: unknown setting 'metod': did you mean method"),
        ("pgd-50>0.5", ConfigError, "did you mean pgd-3"),
        ("epsilon>=abc", ConfigError, "epsilon>=abc: not a number: 'abc'"),
        ("epsilon>=[1,2]", ConfigError, "compare with one number"),
        ("method>=1", ConfigError, "method is 'fgsm' somewhere, no number; use =, != or ~"),
        ("method=", ConfigError, "'method=' is no condition"),
        ("seed=3..1", ConfigError, "the range is empty"),
        ("method=[", ConfigError, "write [a,b,...] with at least one value"),
        ("digits", RunError, "25 runs match 'digits'"),
        ("nothing", RunError, "none of the 25 runs matches 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_line(root, words, error, message):
    with pytest.raises(error) as told:
        select_runs(root, words.split())
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_names_and_conditions_together(root):
    first, second, *_ = select_runs(root, ["method=pgd"])
    names = [first.folder.path.name, second.folder.path.name.rpartition("-")[2][:10]]
    assert [one.folder.path for one in select_runs(root, names)] == [first.folder.path, second.folder.path]
    seed = second.settings["seed"]
    words = [*names, str(first.folder.path), f"seed={seed}", f"epsilon={second.settings['epsilon']}"]
    assert second.folder.path in [one.folder.path for one in select_runs(root, words)]
    assert select_runs("elsewhere", [str(first.folder.path)])[0].settings == first.settings


def test_a_folder_with_an_equals_sign_in_its_name_is_a_name(root, tmp_path):
    path = tmp_path / "a=b"
    path.mkdir()
    (path / "config.yaml").write_text("seed: 1")
    assert [one.folder.path for one in select_runs(tmp_path, ["a=b"])] == [path]


def test_where_nothing_is_left(root, tmp_path):
    with pytest.raises(RunError, match="no run matches seed=77"):
        some_runs(root, ["seed=77"])
    with pytest.raises(RunError, match="no runs here"):
        some_runs(tmp_path, ["seed=77"])
    assert select_runs(tmp_path, ["anything=1"]) == []


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", ["pgd-3", "epsilon", "method", "breakpoint", "seed", "run"])
def test_sorting(root, name, descending):
    records = select_runs(root)
    random.Random(0).shuffle(records)
    values = [columns_of(one).get(name) for one in in_order_of(records, name, descending=descending)]
    there = [value for value in values if value is not None]
    assert there == sorted(there, reverse=descending)
    assert values[len(there) :] == [None] * (len(values) - len(there))
    assert len(values) == 25


def test_sorting_by_what_no_run_has(root):
    with pytest.raises(ConfigError, match="did you mean epsilon"):
        in_order_of(select_runs(root), "epsilo")


def test_a_condition_may_name_the_accuracy_of_an_average():
    assert CONDITION.fullmatch("averaged:pgd-3>0.1").groups() == ("averaged:pgd-3", ">", "0.1")
