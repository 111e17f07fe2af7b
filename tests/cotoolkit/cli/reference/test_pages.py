"""The pages that are written from the code say what the code says."""

import json
import subprocess
import sys
from pathlib import Path

from cotoolkit.cli.reference.configuration import PARTS
from cotoolkit.cli.reference.fields import REQUIRED, settings_in_words
from cotoolkit.config import RunConfig, Schedule
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.signals import SIGNALS
from cotoolkit.studies.overrides import apply, parse_settings, single_values

ROOT = Path(__file__).parents[4]


def test_the_pages_are_current():
    # In a process of its own: other tests register parts of theirs.
    code = (
        "import json; from cotoolkit.cli.reference.pages import PAGES; "
        "print(json.dumps({str(path): page() for path, page in PAGES.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    for path, page in json.loads(done.stdout).items():
        assert (ROOT / path).read_text(encoding="utf-8") == page, f"{path}: run: python -m cotoolkit.cli.reference"


def test_every_default_of_the_run_may_be_typed_as_it_is_shown():
    for prefix, cls in (("", RunConfig), ("schedule.", Schedule), ("monitor.", MonitorConfig)):
        for one in settings_in_words(cls):
            if one.default and one.name != "data":
                typed = single_values(parse_settings([f"{prefix}{one.name}={one.default}"]))
                made = RunConfig.parse(apply({"data": {"name": "digits"}}, typed))
                assert made.identity == RunConfig().identity, one


def test_every_default_of_a_part_may_be_typed_as_it_is_shown():
    for kind, _, registry, _ in PARTS:
        for name in registry.names():
            if not registry[name].__module__.startswith(("cotoolkit.", "interventions.")):
                continue  # another test's
            settings = settings_in_words(registry[name])
            if any(one.default == REQUIRED for one in settings):
                continue
            plain = [one for one in settings if not one.kind.startswith("list of: method")]
            words = [f"{kind}.name={name}", *(f"{kind}.{one.name}={one.default}" for one in plain)]
            typed = single_values(parse_settings(words))
            given = apply({}, typed)[kind]
            assert registry.parse(given) == registry.parse(name), words


def test_every_signal_stands_in_the_matrix_once_with_its_source():
    page = (ROOT / "docs/signal_matrix.md").read_text(encoding="utf-8")
    ours = [name for name, info in SIGNALS.items() if info.function.__module__.startswith("cotoolkit.")]
    assert len(ours) > 20
    for name in ours:
        assert page.count(f"(`{name}`)") == 1
        assert page.count(f"| `{name}` |") == 1
