import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.validation import read_settings
from cotoolkit.studies.overrides import apply, combinations, parse_settings


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("a=1", (1,)),
        ("a=0.25", (0.25,)),
        ("a=8/255", ("8/255",)),
        ("a=none", ("none",)),  # a word of several settings; null is no value
        ("a=null", (None,)),
        ("a=true", (True,)),
        ("a=fgsm", ("fgsm",)),
        ("a=[1,2]", (1, 2)),
        ("a=[0, 8/255]", (0, "8/255")),
        ("a=0..2", (0, 1, 2)),
        ("a=[0..1,5]", (0, 1, 5)),
        ("a=(1,2)", ([1, 2],)),
        ("a=[(1,2),(3)]", ([1, 2], [3])),
        ("a={name: pgd, steps: 5}", ({"name": "pgd", "steps": 5},)),
        ("a=[{name: pgd, steps: 5},fgsm]", ({"name": "pgd", "steps": 5}, "fgsm")),
        ("a=folder:/x=y", ("folder:/x=y",)),
        ("a=folder:/x #1: {y}", ("folder:/x #1: {y}",)),
    ],
)
def test_values(word, values):
    assert parse_settings([word]) == {"a": values}


@pytest.mark.parametrize(
    "words",
    [
        ["a"],
        ["=1"],
        ["a="],
        ["a=1", "a=2"],
        ["a=[]"],
        ["a=[1"],
        ["a=(1"],
        ["a=[1,(2]"],
        ["a= "],
        ["a=[1,]"],
        ["a=[ ,2]"],
        ["a=3..1"],
        ["a={x"],
    ],
    ids=str,
)
def test_words_that_are_no_settings(words):
    with pytest.raises(ConfigError):
        parse_settings(words)


@pytest.mark.parametrize("path", ["my runs # 2/w.safetensors", "a: b/w.safetensors", "ü [x]/w (1).safetensors"])
def test_a_path_is_taken_as_it_is(path):
    assert parse_settings([f"initial={path}"]) == {"initial": (path,)}


def test_a_grid_is_all_combinations_last_field_fastest():
    grid = parse_settings(["method=[fgsm,pgd]", "seed=0..1"])
    assert combinations({"epochs": 2}, grid) == [
        {"epochs": 2, "method": method, "seed": seed} for method in ("fgsm", "pgd") for seed in (0, 1)
    ]


def test_applying_settings_changes_no_base():
    base = {"monitor": {"interval": 5}}
    assert apply(base, {"monitor.interval": 7}) == {"monitor": {"interval": 7}}
    assert base == {"monitor": {"interval": 5}}


def test_a_field_of_a_number_is_refused():
    with pytest.raises(ConfigError, match="epochs is 3, which has no fields"):
        apply({"epochs": 3}, {"epochs.x": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1: 2\n", "the name 1 is no text"),
        ("a: {b: [{true: 1}]}\n", "the name True is no text"),
        ("a: " + "[" * 3000 + "]" * 3000, "is nested too deeply"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_files_of_settings_that_make_no_sense_are_one_line(content, message, tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_settings_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "settings.yaml").write_bytes(b"\xef\xbb\xbfepsilon: 0.1\n")
    assert read_settings(tmp_path / "settings.yaml") == {"epsilon": 0.1}
