import json

import torch

from cotoolkit.runs.environment import environment


def test_environment_names_versions():
    found = environment("cpu")
    assert found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    assert found["device"] == "cpu"
    json.dumps(found)
