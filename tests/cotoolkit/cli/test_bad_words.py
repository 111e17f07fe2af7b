"""What cannot be meant is refused with one line, before anything is trained: words, files of settings, paths."""

import itertools
import struct
import zlib

import pytest

DEEP = 3000

FILES = {
    "a number for a name": ("1: 2", "the name 1 is no text"),
    "nothing for a name": ("null: 2", "the name None is no text"),
    "yes for a name": ("data: {true: 2}", "the name True is no text"),
    "a date for a name": ("data: {2020-01-01: 2}", "is no text"),
    "a list for a name": ("? [1, 2]\n: 3", "cannot be read as YAML"),
    "a name twice": ("epochs: 1\nepochs: 2", "the name 'epochs' is given twice"),
    "a name twice below": ("data: {name: digits, name: mnist}", "the name 'name' is given twice"),
    "deep lists": (f"keep: {'[' * DEEP}{']' * DEEP}", "is nested too deeply"),
    "deep mappings": (f"a: {'{a: ' * DEEP}1{'}' * DEEP}", "is nested too deeply"),
    "an alias of itself": ("&a {data: *a}", "is nested too deeply"),
    "aliases of aliases": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{two}: &{two} [{','.join([f'*{one}'] * 10)}]\n" for one, two in itertools.pairwise("abcdefgh")),
        "holds more than 200,000 values",
    ),
    "more digits than a number has": (f"epochs: {'9' * 5000}", "integer string conversion"),
    "a day that is none": ("epochs: 2020-99-99", "month must be in 1..12"),
    "code": ("a: !!python/object/apply:os.system ['x']", "cannot be read as YAML"),
    "two documents": ("a: 1\n---\nb: 2", "cannot be read as YAML"),
    "a tab": ("a:\n\t- b", "cannot be read as YAML"),
    "a zero byte": ("\0", "cannot be read as YAML"),
    "a number": ("5", ""),
    "a list": ("- 1", ""),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("words", ["train --config", "study run --file"])
def test_files_of_settings(cli, tmp_path, words, file):
    text, message = FILES[file]
    (tmp_path / "it.yaml").write_text(text)
    refused(cli(*words.split(), "it.yaml"), message)


def test_a_file_in_another_encoding(cli, tmp_path):
    (tmp_path / "it.yaml").write_bytes("data: é".encode("latin-1"))
    refused(cli("train", "--config", "it.yaml"), "it.yaml: 'utf-8' codec can't decode")


STUDIES = {
    "no grids": ("name: x\ngrids: []", "the study has no runs"),
    "no value": ("name: x\ngrids: [{seed: []}]", "the study has no runs"),
    "grids of one number": ("name: x\ngrids: 5", "grids"),
    "a value that is no list": ("name: x\ngrids: [{seed: 5}]", "grids.0.seed"),
    "no field": ("name: x\ngrids: [{'': [1]}]", "unknown setting ''"),
    "nothing": ("name: x\ngrids: [null]", "grids.0"),
}


@pytest.mark.parametrize("study", STUDIES)
def test_studies(cli, tmp_path, study):
    text, message = STUDIES[study]
    (tmp_path / "it.yaml").write_text(text)
    refused(cli("study", "run", "--file", "it.yaml"), message)


NO_NUMBERS = [
    "true", "false", "nan", "inf", "-inf", ".nan", ".inf", "1e400", "1/0", "0/0", "''", "abc", "é", "[", "(", "[1,]",
    "[0.1,0.2]", "(0.1,0.2)", "()", "{}", "{a: 1}", "{1: 2}", "{a: 1, a: 2}", "2020-01-01", "!!binary aGVsbG8=", "*a",
    "[" * 500 + "1" + "]" * 500, "(" * 500 + "1" + ")" * 500, "{a: " * 500 + "1" + "}" * 500, "9" * 5000, "-1",
    "0..99999999999999", f"0..{'9' * 5000}", "5..1", "0..1..2",
]  # fmt: skip


@pytest.mark.parametrize("value", NO_NUMBERS, ids=[value[:20] for value in NO_NUMBERS])
@pytest.mark.parametrize("field", ["epsilon", "batch_size", "schedule.milestones", "data.train_size"])
def test_settings_of_numbers(cli, field, value):
    if field == "schedule.milestones" and value in ("(0.1,0.2)", "()"):
        return
    refused(cli("train", "data=digits", f"{field}={value}"))


@pytest.mark.parametrize(
    "field", ["", ".", "..", "a.", ".a", "a..b", "data.name.x", "epsilon.x", "__class__", "seed.0"]
)
def test_fields_that_are_none(cli, field):
    refused(cli("train", "data=digits", f"{field}=1"))


COMMANDS = [
    "train data=digits --root", "train --config", "study run --root", "study run --file", "study run --name",
    "study show x --root", "demo --root", "runs list --root", "runs show x --root", "runs compare --root",
    "runs export --out", "report x --root", "report x --out", "interventions preview low_pass --out",
    "interventions preview low_pass --data", "diagnose --model mlp --data digits --epsilon 0.1 --out",
    "diagnose --model mlp --data digits --epsilon 0.1 --weights", "diagnose --data digits --epsilon 0.1 --model",
    "figures make co_features/figure_1 --root", "figures make co_features/figure_1 --gallery", "figures list --gallery",
    "figures verify --gallery", "figures page --gallery", "analyse local-ball --root", "analyse local-ball --out",
    "analyse mixtures a b --out", "analyse purification --root", "bench-alarm --out", "runs show", "report",
    "study show", "train", "figures make", "analyse mixtures",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_empty_words(cli, tmp_path, command):
    *words, last = command.split()
    for word in ("", " "):
        refused(cli(*words, last, word), "is empty; leave it out, or say what is meant")
    if last.startswith("--"):
        refused(cli(*words, f"{last}="), f"{last} is empty")
    assert not list(tmp_path.iterdir())


PATHS = [
    command for command in COMMANDS if command.split()[-1] in ("--root", "--out", "--gallery", "--config", "--file")
]
OF_FILES = {"--config", "--file", "runs export --out", "interventions preview low_pass --out"}


@pytest.mark.parametrize("command", PATHS)
def test_a_file_where_a_folder_is_meant_and_the_reverse(cli, tmp_path, command):
    (tmp_path / "file.csv").write_text("x")
    (tmp_path / "folder.csv").mkdir()
    words = command.split()
    refused(cli(*words, "file.csv/below.csv"), "is a file")
    refused(cli(*words, "x" * 300), "cannot be: File name too long")
    if command in OF_FILES or words[-1] in OF_FILES:
        refused(cli(*words, "folder.csv"), "is a folder; name a file")
    else:
        refused(cli(*words, "file.csv"), "is a file; name a folder")


def test_a_gallery_that_is_not_there(cli):
    for command in ("verify", "page"):
        refused(cli("figures", command, "--gallery", "nowhere"), "nowhere: no such folder; give --gallery")


def header(width, height):
    """A PNG file that says how large it is, and holds next to nothing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "words",
    [
        "train data=folder:images",
        "interventions preview low_pass --data folder:images",
        "diagnose --model mlp --data folder:images --epsilon 0.1",
    ],
)
def test_pictures_that_would_fill_the_memory(cli, tmp_path, words):
    for split, label in itertools.product(("train", "test"), "ab"):
        place = tmp_path / "images" / split / label
        place.mkdir(parents=True)
        (place / "1.png").write_bytes(header(60_000, 60_000))
    refused(cli(*words.split()), "has more pixels than is safe to open")


MODELS = """
from torch import nn

class Detached(nn.Sequential):
    def forward(self, images):
        return super().forward(images).detach()

def detached(shape, classes):
    return Detached(nn.Flatten(), nn.Linear(64, 10))

def without_parameters(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10))

def nothing(shape, classes):
    return None
"""


@pytest.mark.parametrize("name", ["detached", "without_parameters", "nothing"])
def test_models_that_cannot_be_trained(cli, tmp_path, monkeypatch, name):
    (tmp_path / "models_of_mine.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    refused(cli("train", "data=digits", f"model=models_of_mine:{name}", "--device", "cpu"))


def test_models_that_cannot_be_diagnosed(cli, tmp_path, monkeypatch):
    (tmp_path / "models_of_mine.py").write_text(MODELS)  # one that is detached masks its gradients, and is told so
    monkeypatch.syspath_prepend(tmp_path)
    refused(cli("diagnose", "--model", "models_of_mine:nothing", "--data", "digits", "--epsilon", "0.1"))


def refused(said, message=""):
    code, out, err = said
    assert code == 2, out + err
    assert "Traceback" not in out + err
    assert message in " ".join(err.split())
    if err.startswith("error:"):
        assert err.count("\n") == 1
        assert len(err) < 1000
