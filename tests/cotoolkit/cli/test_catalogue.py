"""The list of methods, a line each, and all about one."""

import dataclasses
import sys

import pytest

from cotoolkit.cli import facts
from cotoolkit.cli.catalogue import memory_text
from cotoolkit.cli.display import console
from cotoolkit.methods import METHODS
from cotoolkit.methods._memory.measured import method_memory

ENTRIES = facts.method_entries()


@pytest.fixture(autouse=True)
def asked_once(monkeypatch):
    monkeypatch.setattr(facts, "method_entries", lambda: ENTRIES)


def test_a_method_is_a_line_of_80_columns(cli, monkeypatch):
    monkeypatch.setattr(console, "_width", 300)
    code, out, _ = cli("methods")
    *lines, last = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "cotoolkit methods NAME" in last
    rows, families, family = {}, {}, ""
    for line in lines:
        if not line.startswith(" "):
            family = line
            continue
        name, passes, summary = line.split(maxsplit=2)
        rows[name], families[name] = (passes, summary), family
    assert sorted(rows) == [one.name for one in ENTRIES]
    assert families == {one.name: one.family for one in ENTRIES}
    assert rows["gradalign"][0] == "3/4*"  # second order
    assert rows["fgsm"][0] == "2/2"
    for one in ENTRIES:
        shown = rows[one.name][1].removesuffix(" …")
        assert one.summary == shown or one.summary.startswith(f"{shown} ")  # cut at a word


@pytest.mark.parametrize("name", [one.name for one in ENTRIES])
def test_all_about_a_method(cli, monkeypatch, name):
    monkeypatch.setattr(console, "_width", 400)
    code, out, _ = cli("methods", name)
    method = METHODS.parse(name)
    cost = method.cost_per_step()
    assert code == 0
    for text in (method.formula, method.source, method.family, *method.constants, *method.constants.values()):
        assert text in out
    assert f"{cost.forward} forward, {cost.backward} backward" in out
    assert ("second order" in out) == bool(cost.double_backward)


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize(
    "words",
    [
        *(("methods", name) for name in METHODS.names()),
        ("signals",),
        ("models",),
        ("datasets",),
        ("interventions", "list"),
    ],
    ids=" ".join,
)
def test_nothing_is_cut_where_the_terminal_is_narrow(cli, monkeypatch, words, width):
    monkeypatch.setattr(console, "_width", width)
    code, out, _ = cli(*words)
    assert code == 0
    assert "…" not in out


def test_a_method_has_other_names(cli):
    assert cli("methods", "N-FGSM")[:2] == cli("methods", "n_fgsm")[:2]


def test_a_method_of_one_s_own_is_shown_like_any_other(cli, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "method_of_mine.py").write_text(
        "from pydantic.dataclasses import dataclass\n"
        "from cotoolkit.core.registry import STRICT\n"
        "from cotoolkit.methods import FGSM, METHODS\n"
        "@METHODS.register('half_of_mine')\n"
        "@dataclass(frozen=True, config=STRICT)\n"
        "class Half(FGSM):\n"
        '    """FGSM with half of its step."""\n'
    )
    try:
        code, out, _ = cli("methods", "method_of_mine:half_of_mine")
    finally:
        METHODS._classes.pop("half_of_mine", None)
        sys.modules.pop("method_of_mine", None)
    assert code == 0
    assert "FGSM with half of its step." in out
    code, _, err = cli("methods", "no_module_of_mine:half")
    assert code == 2
    assert "no module 'no_module_of_mine'" in err


def test_an_unknown_method_is_told_in_one_line_with_those_near_it(cli):
    code, out, err = cli("methods", "nfgsm")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "unknown method 'nfgsm': did you mean n_fgsm" in err


def test_memory_is_measured():
    entries = {one.name: one for one in ENTRIES}
    assert memory_text(entries["fgsm"]) == "none"
    ema = entries["ema"]
    assert (ema.bytes_per_image, ema.networks_besides) == (0, 1)
    assert memory_text(ema) == "44.7 MB with preact_resnet18, 1 × its weights and buffers"
    assert memory_text(entries["fgsm_mep"]) == "24.6 kB a training image (1.23 GB for CIFAR-10's 50,000)"


def test_memory_that_the_first_steps_make_is_measured():
    entries = {one.name: one for one in ENTRIES}
    for name in ("free", "tdat"):
        assert memory_text(entries[name]) == "12.3 kB an image of a batch"
    assert memory_text(entries["rs_cs"]) == "16 B with preact_resnet18"
    last_batch = method_memory(METHODS.parse({"name": "fgsm_pgi", "initialisation": "batch"}), facts.NETWORK)
    assert last_batch == (0, 4 * 3 * 32 * 32, 0, 0)


@pytest.mark.parametrize("name", ["rs_cs", "mep_cs", "liet"])
def test_steps_that_cost_more_are_told(cli, monkeypatch, name):
    monkeypatch.setattr(console, "_width", 400)
    assert f"with the default settings; beyond them {METHODS[name].costs_more}" in cli("methods", name)[1]
    assert "beyond them" not in cli("methods", "fgsm")[1]


def test_memory_for_each_image_is_told_for_all_of_them():
    entry = next(one for one in ENTRIES if one.name == "fgsm")
    banked = dataclasses.replace(entry, bytes_per_image=12_288, bytes_besides=40)
    assert memory_text(banked) == (
        "12.3 kB a training image (614 MB for CIFAR-10's 50,000); 40 B besides with preact_resnet18"
    )
