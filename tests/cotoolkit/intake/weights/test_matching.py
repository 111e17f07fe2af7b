import io
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from cotoolkit.core.errors import ModelError
from cotoolkit.intake.weights.matching import fit_weights
from cotoolkit.intake.weights.reading import load_weights
from cotoolkit.models import STATISTICS, Normalised, build_model


def net(seed=0, classes=10, width=4):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(1, width, 3),
                norm=nn.BatchNorm2d(width),
                act=nn.ReLU(),
                flat=nn.Flatten(),
                head=nn.Linear(width * 36, classes),
            )
        )


def prefixed(prefix, weights):
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


def same(model, weights):
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def fitted(tmp_path, content, key=None, model=None):
    """Save, load and fit, as the command does."""
    torch.save(content, tmp_path / "file.pt")
    model = model or net(seed=1)
    found = fit_weights(model, load_weights(tmp_path / "file.pt"), "file.pt", classes=10, key=key)
    return model, found


# --- what a file is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_every_kind_of_file_gives_the_tensors(tmp_path, kind):
    weights = net().state_dict()
    path = tmp_path / "misnamed.bin"
    if kind == "safetensors":
        safetensors.torch.save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "zip")
    loaded = load_weights(path)
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_dictionaries_in_dictionaries_become_one(tmp_path):
    tensor = torch.ones(2)
    torch.save({"epoch": 3, "model": {"a.b": tensor}, "more": [{"c": tensor}, "text"]}, tmp_path / "a.pt")
    assert load_weights(tmp_path / "a.pt").keys() == {"model/a.b", "more/0/c"}


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def saved(content, save=torch.save, **options):
    stream = io.BytesIO()
    save(content, stream, **options)
    return stream.getvalue()


def traced():
    return torch.jit.trace(net().eval(), torch.zeros(1, 1, 8, 8))


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "text")
    return stream.getvalue()


def arrays(save, array):
    stream = io.BytesIO()
    save(stream, array)
    return stream.getvalue()


WEIGHTS = net().state_dict()
CONTENT = {
    "empty": lambda path: b"",
    "pickled module": lambda path: saved(net()),
    "pickled code": lambda path: saved({"state_dict": Touch(path.with_name("touched"))}),
    "torchscript": lambda path: saved(traced(), torch.jit.save),
    "npz": lambda path: arrays(np.savez, np.ones(3)),
    "npy": lambda path: arrays(np.save, np.ones(3)),
    "onnx": lambda path: b"\x08\x07\x12\x07pytorch" + bytes(50),
    "zip": lambda path: zipped(),
    "cut zip": lambda path: saved(WEIGHTS)[:1000],
    "cut legacy": lambda path: saved(WEIGHTS, _use_new_zipfile_serialization=False)[:1000],
    "cut safetensors": lambda path: safetensors.torch.save(WEIGHTS)[:700],
    "no tensors": lambda path: saved({"epoch": 3}),
}


REFUSED = [
    ("missing", "a.pt", "no weights file"),
    ("folder", "a.pt", "is a folder; name the weights file in it"),
    ("empty", "a.pt", "is empty; get the file again"),
    ("pickled module", "a.pt", "holds Python objects (torch.nn.modules.container.Sequential)"),
    ("pickled code", "a.pt", "unpickling those can run any code, so it is not loaded"),
    ("torchscript", "a.pt", "is a TorchScript program"),
    ("npz", "a.npz", "is a NumPy archive, not a torch file: save model.state_dict()"),
    ("npy", "a.npy", "it looks like a NumPy array: save model.state_dict()"),
    ("onnx", "a.onnx", "it looks like an ONNX graph: save model.state_dict()"),
    ("zip", "a.pt", "none that torch.save writes"),
    ("cut zip", "a.pt", "is damaged or cut off; get it again"),
    ("cut legacy", "a.pt", "get it again"),
    ("cut safetensors", "a.safetensors", "is a damaged safetensors file"),
    ("no tensors", "a.pt", "holds no tensors: save model.state_dict()"),
]


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.parametrize(("kind", "name", "message"), REFUSED, ids=[kind for kind, *_ in REFUSED])
def test_other_files_are_refused_with_the_reason_on_one_line(tmp_path, kind, name, message):
    path = tmp_path / name
    if kind in CONTENT:
        path.write_bytes(CONTENT[kind](path))
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(ModelError) as caught:
        load_weights(path)
    said = str(caught.value)
    assert message in said
    assert str(path) in said
    assert "\n" not in said
    assert "trust-pickle" not in said
    assert not path.with_name("touched").exists()


# --- names ------------------------------------------------------------------------------------------------------------

NAMES = [
    ("plain", lambda w: w, []),
    ("state_dict", lambda w: {"state_dict": w, "epoch": 3}, ["the weights are those under 'state_dict'"]),
    ("DataParallel", lambda w: prefixed("module.", w), ["'module' (DataParallel"]),
    ("compile", lambda w: prefixed("_orig_mod.", w), ["'_orig_mod' (torch.compile)"]),
    ("compiled inside", lambda w: {k.replace("conv.", "conv._orig_mod."): v for k, v in w.items()}, ["torch.compile"]),
    (
        "both, in a checkpoint",
        lambda w: {"model": prefixed("module._orig_mod.", w), "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}},
        ["under 'model'", "DataParallel", "torch.compile", "left out: optimizer (1)"],
    ),
    (
        "Lightning",
        lambda w: {"state_dict": {**prefixed("model.", w), "criterion.weight": torch.ones(10)}},
        ["under 'state_dict/model'", "left out: state_dict (1)"],
    ),
    ("SWA", lambda w: {"n_averaged": torch.tensor(3), **prefixed("module.", w)}, ["moving average"]),
    ("only EMA", lambda w: {"state_dict_ema": w}, ["moving average's weights, the only ones that fit"]),
    ("Lightning EMA", lambda w: prefixed("ema_model.module.", w), ["under 'ema_model'", "the only ones that fit"]),
    ("no counters", lambda w: {k: v for k, v in w.items() if "tracked" not in k}, []),
    ("profiler", lambda w: {**w, "total_ops": torch.ones(1), "conv.total_params": torch.ones(1)}, []),
]


@pytest.mark.parametrize(("wrap", "said"), [case[1:] for case in NAMES], ids=[case[0] for case in NAMES])
def test_weights_are_found_under_any_name(tmp_path, wrap, said):
    weights = net().state_dict()
    model, found = fitted(tmp_path, wrap(weights))
    assert same(model, weights)
    texts = [finding.text for finding in found.findings]
    for part in said:
        assert any(part in text for text in texts), texts
    assert said or not texts
    assert all(finding.kind == "handled" for finding in found.findings)
    assert found.statistics is None


TWICE = [
    ("checkpoint", lambda w, e: {"state_dict_ema": e, "state_dict": w}, "state_dict", "state_dict_ema"),
    ("flat", lambda w, e: {**prefixed("ema.", e), **w}, "plain", "ema"),
    ("Lightning", lambda w, e: {**prefixed("model_ema.module.", e), **prefixed("model.", w)}, "model", "model_ema"),
]


@pytest.mark.parametrize(("wrap", "plain", "ema"), [case[1:] for case in TWICE], ids=[case[0] for case in TWICE])
def test_plain_weights_come_before_moving_averages(tmp_path, wrap, plain, ema):
    weights, average = net(seed=2).state_dict(), net(seed=3).state_dict()
    model, found = fitted(tmp_path, wrap(weights, average))
    assert same(model, weights)
    (warned,) = (finding.text for finding in found.findings if finding.kind == "warning")
    assert f"{plain} was taken (plain weights)" in warned
    assert f"not {ema}; --weights-key takes another" in warned
    model, found = fitted(tmp_path, wrap(weights, average), key=ema)
    assert same(model, average)
    model, _ = fitted(tmp_path, wrap(weights, average), key=plain)
    assert same(model, weights)
    with pytest.raises(ModelError, match=f"no weights under 'best' that fit the model; choose from: .*{ema}"):
        fitted(tmp_path, wrap(weights, average), key="best")


def test_a_model_that_is_wrapped_itself_takes_plain_weights(tmp_path):
    weights = net().state_dict()
    model, _ = fitted(tmp_path, weights, model=nn.DataParallel(net(seed=1)))
    assert same(model.module, weights)


def test_a_normalising_model_takes_the_weights_of_the_network_inside(tmp_path):
    weights = net().state_dict()
    model, found = fitted(tmp_path, weights, model=Normalised(net(seed=1), STATISTICS["mnist"]))
    assert same(model.network, weights)
    assert model.mean.item() == pytest.approx(0.1307)
    assert "part 'network'" in found.findings[0].text


@pytest.mark.parametrize("form", ["Normalised", "sequential", "in the network"])
def test_a_normalisation_in_the_file_is_not_lost(tmp_path, form):
    weights, mean, std = net().state_dict(), torch.tensor([0.25]).view(1, 1, 1), torch.tensor([0.5]).view(1, 1, 1)
    content = {
        "Normalised": {**prefixed("network.", weights), "mean": mean, "std": std},
        "sequential": {"state_dict": {**prefixed("1.", weights), "0.mu": mean, "0.sigma": std}},
        "in the network": {**weights, "mean": mean, "std": std},
    }[form]
    model, found = fitted(tmp_path, content)
    assert same(model, weights)
    assert found.statistics == ((0.25,), (0.5,))
    assert any("input normalisation" in finding.text for finding in found.findings if finding.kind == "warning")


def test_the_weights_of_a_run_of_our_own_fit(tmp_path):
    trained = build_model("small_cnn", (1, 8, 8), 10, seed=0)
    model, _ = fitted(tmp_path, trained.state_dict(), model=build_model("small_cnn", (1, 8, 8), 10, seed=1))
    assert same(model, trained.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_loaded_and_told(tmp_path, dtype):
    weights = net().to(dtype).state_dict()
    model, found = fitted(tmp_path, weights)
    assert all(value.dtype == torch.float32 for value in model.parameters())
    assert torch.equal(model.conv.weight, weights["conv.weight"].float())
    assert str(dtype).removeprefix("torch.") in found.findings[0].text


# --- what does not fit ------------------------------------------------------------------------------------------------


def without(weights, *parts):
    return {name: value for name, value in weights.items() if not name.startswith(parts)}


MISFITS = [
    (
        "other net",
        {"layer1.weight": torch.ones(2)},
        "another architecture than the model: it has layer1.weight, the",
    ),
    ("missing", without(net().state_dict(), "head"), "2 tensors are missing (head.weight, head.bias)"),
    ("excess", {**net().state_dict(), "more.weight": torch.ones(2)}, "1 are in excess (more.weight)"),
    ("excess inside", prefixed("net.", {**net().state_dict(), "conv2.bias": torch.ones(2)}), "excess (net.conv2.bias)"),
    ("width", net(width=5).state_dict(), "conv.weight is (5, 1, 3, 3) in it and (4, 1, 3, 3) in the model and 6 more"),
    ("classes", net(classes=100).state_dict(), "the last layer (head.weight) has 100 outputs, the data 10 classes"),
]


@pytest.mark.parametrize(("content", "message"), [case[1:] for case in MISFITS], ids=[case[0] for case in MISFITS])
def test_a_misfit_is_one_line_that_names_the_cause(tmp_path, content, message):
    with pytest.raises(ModelError) as caught:
        fitted(tmp_path, content)
    said = str(caught.value)
    assert message in said
    assert said.startswith("file.pt")
    assert "\n" not in said
    assert len(said) < 400


def test_a_long_list_of_missing_tensors_is_cut(tmp_path):
    with pytest.raises(ModelError, match=r"6 tensors are missing \(norm.weight, .*running_mean, \.\.\.\)"):
        fitted(tmp_path, without(net().state_dict(), "norm", "head"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_name_their_tensor(tmp_path, value):
    weights = net().state_dict()
    weights["head.weight"].view(-1)[3:5] = value
    with pytest.raises(ModelError, match=r"file.pt: head.weight has 2 of 1440 values that are nan or infinite"):
        fitted(tmp_path, weights)


def test_a_negative_running_variance_is_refused(tmp_path):
    weights = net().state_dict()
    weights["norm.running_var"][0] = -1.0
    with pytest.raises(ModelError, match=r"norm.running_var has negative values"):
        fitted(tmp_path, weights)
