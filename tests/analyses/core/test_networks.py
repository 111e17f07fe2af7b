import pytest
import torch

from analyses.core.networks import compare_runs
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.training.run import run
from tests._helpers.small import small


def quick(**settings):
    """A small run that is hardly looked at."""
    return small(evaluation=["clean"], monitor__interval=0, monitor__points=10, monitor__steps=1, **settings)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for settings in ({"method": "standard"}, {"method": "pgd", "keep": [0, 5, 15]}, {"seed": 1}):
        run(quick(**settings), root, device="cpu")
    return root


def names(root):
    return {folder.name.split("-")[2]: folder.name for folder in root.iterdir()}


def test_networks_of_one_start_are_compared_from_it(root):
    runs = names(root)
    found = compare_runs(root, [runs["standard"], f"{runs['pgd']}:5", runs["pgd"]])
    assert list(found.models) == ["start", "standard:last", "pgd:5", "pgd:last"]
    assert (found.start, found.clean, found.robust) == ("start", "standard:last", "pgd:last")
    assert found.config.method.name == "pgd"
    start, kept = found.models["start"].state_dict(), compare_runs(root, [f"{runs['pgd']}:0", runs["pgd"]])
    assert all(torch.equal(start[name], value) for name, value in kept.models["pgd:0"].state_dict().items())


def test_references_can_be_named(root):
    runs = names(root)
    found = compare_runs(root, [f"{runs['pgd']}:5"], clean=runs["standard"], robust=runs["pgd"])
    assert (found.clean, found.robust) == ("standard:last", "pgd:last")
    assert len(found.models) == 4


def test_networks_of_several_starts_have_none_in_common(root):
    runs = names(root)
    assert compare_runs(root, [runs["standard"], runs["fgsm"]]).start is None


def test_a_run_from_anothers_weights_goes_back_to_that_ones_start(root, tmp_path):
    first = run(quick(method="standard", epochs=1), tmp_path, device="cpu")
    second = run(quick(method="pgd", epochs=1, initial=str(first.checkpoint_path("last"))), tmp_path, device="cpu")
    third = run(quick(method="pgd", epochs=1, initial=str(second.checkpoint_path("last"))), tmp_path, device="cpu")
    found = compare_runs(tmp_path, [first.path.name, third.path.name])
    origin = compare_runs(root, [names(root)["standard"], names(root)["pgd"]])
    assert found.start == "start"
    for name, value in origin.models["start"].state_dict().items():
        assert torch.equal(found.models["start"].state_dict()[name], value)


def test_equal_names_are_told_apart_by_identity(root, tmp_path):
    first = run(quick(method="standard", epochs=1), tmp_path, device="cpu")
    second = run(quick(method="standard", epochs=2), tmp_path, device="cpu")
    found = compare_runs(tmp_path, [first.path.name, second.path.name])
    assert [name for name in found.models if name != "start"] == [
        f"standard:last {folder.config().identity[:6]}" for folder in (first, second)
    ]


def test_a_run_that_broke_is_compared_with_itself(root, tmp_path):
    folder = run(quick(keep=[5, 10]), tmp_path, device="cpu")
    with pytest.raises(ConfigError, match="did not break"):
        compare_runs(tmp_path, [folder.path.name])
    weights = folder.checkpoint(5)
    folder.write_checkpoint("before_break", weights, 6)
    folder.write_checkpoint("after_break", weights, 7)
    found = compare_runs(tmp_path, [folder.path.name])
    order = list(found.models)
    assert order[0] == "start"
    assert order.index("5") < order.index("before_break") < order.index("after_break") < order.index("10")
    assert (found.clean, found.robust) == ("after_break", "before_break")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits-small_cnn-pgd:last"], "give at least two networks"),
        (["digits-small_cnn-pgd:first", "digits-small_cnn-standard"], "no checkpoint 'first'"),
        (["digits-small_cnn-pgd:7", "digits-small_cnn-standard"], "no checkpoint"),
        (["nothing", "digits-small_cnn-standard"], "none of the 3 runs matches"),
    ],
)
def test_bad_words_are_named(root, words, message):
    with pytest.raises((ConfigError, RunError), match=message):
        compare_runs(root, words)


def test_one_network_cannot_play_both_parts(root):
    runs = names(root)
    with pytest.raises(ConfigError, match="both the clean and the robust"):
        compare_runs(root, [runs["standard"], runs["pgd"]], robust=runs["standard"])
