"""The how-tos work as printed: each file is put where its first line says, and nothing else is touched."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("cotoolkit", "interventions", "analyses", "figures")


def block(page: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "howto" / f"{page}.md").read_text(), re.DOTALL)
    return code


FILES = {page: block(page) for page in ("add_a_method", "add_a_signal", "add_an_intervention", "add_a_figure")}
PLACES = {page: code.partition("\n")[0].removeprefix("# ") for page, code in FILES.items()}

USE = """
import doctest, importlib, sys
import pytest
from cotoolkit import RunConfig, run
from figures.catalogue import find_recipes

for name in {modules}:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
config = RunConfig.parse({{
    "data": {{"name": "digits", "train_size": 200, "test_size": 40}},
    "model": {{"name": "small_cnn", "width": 4}},
    "method": {{"name": "fgsm_smoothed", "smoothing": 0.2}},
    "intervention": {{"name": "border", "strength": "8/255"}},
    "epochs": 1, "monitor": {{"interval": 0, "points": 20, "steps": 1}}, "evaluation": ["clean"],
}})
metrics = run(config, sys.argv[1]).metrics()
assert "logit_margin" in set(metrics["signal"]), set(metrics["signal"])
(recipe,) = find_recipes("field/warmup")
assert len(recipe.at("digits")[0].runs()) == 30

# As the pages promise, the test of every method takes the new one in, and the tests of signals mind no new one.
words = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", "fgsm_smoothed or test_step", "--rootdir", "."]
assert pytest.main([*words, "tests/cotoolkit/methods/test_every_method.py", "tests/cotoolkit/signals"]) == 0
"""


@pytest.mark.slow
def test_method_signal_intervention_and_figure_are_one_file_each(tmp_path):
    """In a copy of the sources with the files of the how-tos, and nothing else changed."""
    for package in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("gallery"))
    for page, place in PLACES.items():
        assert not (tmp_path / place).exists()
        (tmp_path / place).write_text(FILES[page])
    modules = [place.removesuffix(".py").replace("/", ".") for place in PLACES.values()]
    done = subprocess.run(
        [sys.executable, "-c", USE.format(modules=modules), str(tmp_path / "runs")],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_study_of_the_page_is_valid():
    names: dict[str, object] = {}
    exec(block("add_a_study"), names)
    assert len(names["PLANS"]["digits"].study().runs()) == 20
    assert len(names["PLANS"]["smoke"].study().runs()) == 2
