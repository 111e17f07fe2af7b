"""`cotoolkit diagnose` from the command line: what it takes, what it refuses, what it writes."""

import json

import pytest
import torch

from cotoolkit.diagnosis.budget import BUDGETS
from cotoolkit.training.run import run
from tests._helpers.small import small
from tests._helpers.small_budget import SMALL_BUDGET
from tests._helpers.user_models import Mlp, digits

OWN = "tests._helpers.user_models"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the weights of an MLP trained on images minus 0.25, divided by 0.5, and with bad files."""
    folder = tmp_path_factory.mktemp("own")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Mlp()
        images, labels = digits(train=True)
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(60):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network((images - 0.25) / 0.5), labels)
            loss.backward()
            optimizer.step()
    weights = network.state_dict()
    torch.save(weights, folder / "mlp.pt")
    torch.save({**weights, "1.weight": torch.full((32, 64), float("nan"))}, folder / "nan.pt")
    torch.save({"a.weight": torch.ones(3)}, folder / "keys.pt")
    torch.save(Mlp(100).state_dict(), folder / "hundred.pt")
    torch.save(network, folder / "pickled.pt")
    (folder / "empty.pt").touch()
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The quick budget is a smaller one."""
    monkeypatch.setitem(BUDGETS, "quick", SMALL_BUDGET.model_copy(update={"name": "quick"}))


@pytest.fixture
def diagnose(cli, trained):
    """Runs the command on the MLP, quick and on few points, with the options given."""

    def call(**options):
        given = {
            "model": f"{OWN}:Mlp",
            "weights": str(trained / "mlp.pt"),
            "data": f"{OWN}:digits",
            "epsilon": "0.3",
            "out": "found",
            "budget": "quick",
            "points": "40",
            "device": "cpu",
            **options,
        }
        lists = ((name, value if isinstance(value, list) else [value]) for name, value in given.items())
        pairs = ((name, value) for name, values in lists for value in values if value is not None)
        return cli("diagnose", *(word for name, value in pairs for word in (f"--{name.replace('_', '-')}", value)))

    return call


# --- bad input --------------------------------------------------------------------------------------------------------

BAD = [
    ({"weights": "none.pt"}, "no weights file none.pt"),
    ({"weights": "."}, "is a folder; name the weights file in it"),
    ({"weights": "keys.pt"}, "is of another architecture than the model: it has a.weight, the model needs 1.weight"),
    ({"weights": "hundred.pt"}, "the last layer (3.weight) has 100 outputs, the data 10 classes"),
    ({"weights": "nan.pt"}, "1.weight has 2048 of 2048 values that are nan"),
    ({"weights": "pickled.pt"}, "holds Python objects"),
    ({"weights": "empty.pt"}, "is empty"),
    ({"weights": None, "weights_key": "ema"}, "--weights-key chooses among the weights of a file"),
    ({"weights_key": "ema"}, "no weights under 'ema' that fit the model"),
    ({"model": f"{OWN}:hundred", "weights": None}, "the last layer has 100 outputs, the data 10 classes"),
    ({"model": f"{OWN}:Pair"}, "returns a tuple of 2; say which part are the logits"),
    ({"model": f"{OWN}:not_a_module", "weights": None}, "returned a int; it must return a torch.nn.Module"),
    ({"model": f"{OWN}:nothing"}, "'nothing' does not exist"),
    ({"model": "nowhere:net"}, "no module 'nowhere'"),
    ({"model": "smal_cnn"}, "did you mean small_cnn"),
    ({"model": "torchvision:resnet18", "weights": None}, "takes images with 3 channels; the data has 1"),
    ({"data": f"{OWN}:colour"}, "the model fails on images of shape (3, 8, 8): RuntimeError:"),
    ({"data": f"{OWN}:levels"}, "run from 0 to 255, outside the bounds 0 to 1"),
    ({"data": f"{OWN}:digits", "bounds": "0,255"}, "as in [0, 1] and not as in the bounds 0 to 255"),
    ({"data": f"{OWN}:empty"}, "no images"),
    ({"data": "digts"}, "did you mean digits"),
    ({"epsilon": "0"}, "epsilon is 0; give a share of the pixel range above 0 and at most 1"),
    ({"epsilon": "-8/255"}, "epsilon is -8/255; give"),
    ({"epsilon": "8"}, "epsilon is 8; give"),
    ({"epsilon": "nan"}, "not a finite number: 'nan'"),
    ({"epsilon": "big"}, "not a number: 'big'"),
    ({"mean": "0.5"}, "mean and std go together"),
    ({"mean": "a,b", "std": "1"}, "--mean: not a number: 'a'"),
    ({"mean": "0.5,0.5", "std": "1"}, "mean has 2 numbers, the images have 1 channels"),
    ({"mean": "0.5", "std": "0"}, "std must be above 0"),
    ({"bounds": "255"}, "--bounds is '255'; give the least and the greatest pixel"),
    ({"bounds": "1,0"}, "--bounds is '1,0'"),
    ({"points": "1"}, "Invalid value for '--points'"),
    ({"budget": "huge"}, "'huge' is not one of"),
    ({"device": "tpu"}, "'tpu' is not one of"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_input_is_one_line_and_exit_code_2(diagnose, trained, tmp_path, options, message):
    weights = options.get("weights")
    if weights is not None and (trained / weights).is_file():
        options = {**options, "weights": str(trained / weights)}
    code, out, err = diagnose(**options)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in out + err
    if err.startswith("error:"):
        assert err.count("\n") == 1
    assert not (tmp_path / "found").exists()


def test_what_is_required_is_told(cli):
    code, _, err = cli("diagnose", "--model", "small_cnn")
    assert code == 2
    assert "name what to diagnose: a RUN, or --model, --data and --epsilon" in err


def test_a_run_is_diagnosed_at_any_checkpoint(cli, without_page, tmp_path):
    folder = run(small(method="ema", evaluation=["clean"]), tmp_path / "runs", device="cpu")
    name = folder.path.name
    clean = {}
    for word in (name, f"{name}:averaged"):
        code, _, err = cli("diagnose", word, "--budget", "quick", "--points", "60", "--out", "found", "--device", "cpu")
        assert code == 0, err
        said = json.loads((tmp_path / "found" / "diagnosis.json").read_text())
        assert said["protocol"]["epsilon"] == pytest.approx(0.1)
        clean[word] = said["measurements"]["clean"]["accuracy"]["value"]
    result = folder.result()["evaluation"]  # on the same 60 points
    assert clean == {name: result["clean"]["value"], f"{name}:averaged": result["averaged:clean"]["value"]}
    pair = [name, f"{name}:averaged", "--budget", "quick", "--points", "60", "--out", "pair", "--device", "cpu"]
    code, out, err = cli("diagnose", *pair)
    assert code == 0, err
    said = json.loads((tmp_path / "pair" / "comparison.json").read_text())
    assert [said["rows"][0][key] for key in ("attack", "points", "first", "second")] == ["clean", 60, *clean.values()]
    assert said["sentence"].split()[0] in out
    assert [line for line in out.splitlines() if all(f"only {which}" in line for which in ("last", "averaged"))]
    assert (tmp_path / "pair" / "second" / "diagnosis.points.parquet").exists()
    for words, message in (
        ([f"{name}:first"], "no checkpoint 'first'; there are: averaged, best, last"),
        ([name, "--epsilon", "0.1"], f"the run {name} says all that; leave out --epsilon"),
        (["nowhere"], "none of the 1 runs matches 'nowhere'"),
        ([name, name], "is given twice"),
        ([name, f"{name}:averaged", f"{name}:best"], "3 runs are named; name one to diagnose, or two to compare"),
        ([name, f"{name}:averaged", "--epsilon", "0.1"], "leave out --epsilon"),
    ):
        code, _, err = cli("diagnose", *words, "--out", "other")
        assert (code, err.count("\n")) == (2 if "matches" not in message else code, 1)
        assert message in err


def test_a_run_whose_feature_leaves_the_box_is_diagnosed_without_one(cli, without_page, tmp_path):
    feature = {"name": "inject", "carrier": "paired", "beta": 0.2}
    folder = run(small(intervention=feature, box="none", evaluation=["clean"]), tmp_path / "runs", device="cpu")
    name = folder.path.name
    code, _, err = cli("diagnose", name, "--budget", "quick", "--points", "60", "--out", "found", "--device", "cpu")
    assert code == 0, err
    said = json.loads((tmp_path / "found" / "diagnosis.json").read_text())
    assert said["protocol"]["box"] == "none"
    assert said["measurements"]["clean"]["accuracy"]["value"] == folder.result()["evaluation"]["clean"]["value"]
    code, _, err = cli("diagnose", name, "--box", "none", "--out", "other")
    assert (code, f"the run {name} says all that; leave out --box" in err) == (2, True)


def test_two_files_of_weights_are_compared(diagnose, trained, tmp_path, without_page):
    other = torch.load(trained / "mlp.pt", weights_only=True)
    torch.save({name: torch.zeros_like(value) for name, value in other.items()}, tmp_path / "zero.pt")
    code, out, err = diagnose(weights=[str(trained / "mlp.pt"), str(tmp_path / "zero.pt")], mean="0.25", std="0.5")
    assert code == 0, err
    said = json.loads((tmp_path / "found" / "comparison.json").read_text())
    assert (said["first"]["name"], said["second"]["name"]) == ("mlp.pt", "zero.pt")
    first = json.loads((tmp_path / "found" / "first" / "diagnosis.json").read_text())
    assert said["rows"][0]["first"] == first["measurements"]["clean"]["accuracy"]["value"] > 0.8
    assert said["rows"][0]["second"] < 0.3
    assert said["sentence"].split()[0] in out
    code, _, err = diagnose(weights=[str(trained / "mlp.pt")] * 3, out="other")
    assert (code, "3 files of weights are named; name one to diagnose, or two to compare" in err) == (2, True)
    code, _, err = diagnose(weights=[str(trained / "mlp.pt")] * 2, out="other")
    assert (code, "mlp.pt is given twice; name two files of weights" in err) == (2, True)


def test_a_file_is_no_run_and_what_is_missing_is_named(cli, trained):
    file = str(trained / "mlp.pt")
    code, _, err = cli("diagnose", file, file, "--epsilon", "0.1")
    assert (code, f"{file} is a file, not a run: give --model, --weights {file}, --data and" in err) == (2, True)
    code, _, err = cli("diagnose", "a_run", "--weights", file, "--weights", file)
    assert (code, "the run a_run says all that; leave out --weights" in err) == (2, True)
    code, _, err = cli("diagnose", "--model", f"{OWN}:Mlp", "--data", f"{OWN}:digits")
    assert (code, "--data and --epsilon; --epsilon is missing" in err) == (2, True)


def test_files_of_the_user_are_left_alone(diagnose, tmp_path):
    mine = tmp_path / "found" / "report.html"
    mine.parent.mkdir()
    mine.write_text("mine")
    code, _, err = diagnose()
    assert code == 2
    assert "--out found holds files, and no diagnosis.json of before; name a new or empty folder" in err
    assert mine.read_text() == "mine"
    code, _, err = diagnose(out="found/report.html")
    assert (code, mine.read_text()) == (2, "mine")
    assert "is a file; name a folder" in err


@pytest.fixture
def without_page(monkeypatch):
    """Nothing is drawn, which takes longer than measuring."""

    def write(report, folder):
        return folder / "report.html"

    for module in ("report", "comparison"):
        monkeypatch.setattr(f"cotoolkit.diagnosis.page.{module}.write_report", write)


# --- good input -------------------------------------------------------------------------------------------------------


def accuracies(path):
    """Every accuracy in a diagnosis.json."""
    measured = json.loads((path / "diagnosis.json").read_text())["measurements"]
    attacks = [measured["clean"], *measured["fgsm"], measured["pgd"], *measured["pgd_steps"], *measured["strong"]]
    return [attack["accuracy"]["value"] for attack in attacks]


def test_it_says_what_it_found_and_writes_the_page(diagnose, tmp_path):
    (tmp_path / "found").mkdir()
    code, out, err = diagnose(mean="0.25", std="0.5")
    assert code == 0, err
    found = json.loads((tmp_path / "found" / "diagnosis.json").read_text())
    assert found["verdict"]["label"] == "not robust"
    assert out.lstrip().startswith("not robust (confidence: ")
    assert " for " in out
    assert "page: found/report.html" in out
    assert "<html" in (tmp_path / "found" / "report.html").read_text()
    assert found["environment"]["data"] == f"{OWN}:digits"
    assert found["protocol"]["points"] == 40
    assert found["measurements"]["clean"]["accuracy"]["value"] > 0.8


def test_an_earlier_diagnosis_is_replaced(diagnose, without_page, tmp_path):
    for epsilon in (0.3, 0.2):
        code, _, err = diagnose(epsilon=str(epsilon))
        assert code == 0, err
        assert json.loads((tmp_path / "found" / "diagnosis.json").read_text())["protocol"]["epsilon"] == epsilon


def test_one_function_described_in_three_ways_has_the_same_accuracies(diagnose, without_page, tmp_path):
    ways = {
        "inside": {"model": f"{OWN}:Normalising"},
        "stated": {"mean": "0.25", "std": "0.5"},
        "levels": {"bounds": "0,255", "mean": "63.75", "std": "127.5", "data": f"{OWN}:levels"},
    }
    for name, options in ways.items():
        code, _, err = diagnose(**options, out=name)
        assert code == 0, err
    first = accuracies(tmp_path / "inside")
    assert first[0] > 0.8
    assert accuracies(tmp_path / "stated") == first
    assert accuracies(tmp_path / "levels") == first


def test_the_weights_findings_are_in_the_output_and_in_the_file(diagnose, without_page, trained, tmp_path):
    weights = torch.load(trained / "mlp.pt", weights_only=True)
    other = {name: torch.zeros_like(value) for name, value in weights.items()}
    wrapped = {f"module.{name}": value for name, value in weights.items()}
    content = {"state_dict": {**wrapped, "mean": torch.tensor([0.25]), "std": torch.tensor([0.5])}, "model_ema": other}
    torch.save(content, tmp_path / "both.pt")
    code, out, err = diagnose(weights=str(tmp_path / "both.pt"))
    assert code == 0, err
    found = json.loads((tmp_path / "found" / "diagnosis.json").read_text())
    texts = [finding["text"] for finding in found["findings"]]
    for part in ("state_dict was taken (plain weights), not model_ema", "DataParallel", "input normalisation"):
        assert any(part in text for text in texts)
        assert part in " ".join(out.split())
    assert found["measurements"]["clean"]["accuracy"]["value"] > 0.8, "the normalisation in the file was applied"


def test_a_network_without_weights_is_told_apart(diagnose, without_page):
    code, out, err = diagnose(model="small_cnn", weights=None, data="digits", points="200")
    assert code == 0, err
    assert out.lstrip().startswith("not robust")
    assert "small_cnn has random weights" in out


def test_interrupting_writes_nothing(diagnose, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cotoolkit.diagnosis.diagnose.run_measurements", interrupted)
    code, _, err = diagnose()
    assert code == 130
    assert "interrupted; nothing was written" in err
    assert not (tmp_path / "found").exists()
