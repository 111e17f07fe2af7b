"""The analyses of features as people call them, and the trusted functions behind them."""

import torch

from analyses import features
from analyses.features import filters, layers, maximisation
from analyses.features.attributions import attribution, faithfulness
from analyses.features.observed import Effort
from analyses.features.table import all_correct
from cotoolkit.attacks.threat_model import ThreatModel

THREAT = ThreatModel(0.1)
CHEAP = Effort(path_steps=40, shap_samples=2, units=2, starts=2, ascent_steps=2)
ROLES = {"clean": "clean", "robust": "robust", "epsilon": 0.1, "effort": CHEAP}
LABELS = torch.arange(5) % 3


ENTRANCES = {
    "saliency": lambda m, x, y, **o: features.attribute(m, x, y, "saliency", **o),
    "integrated gradients": lambda m, x, y, **o: features.attribute(m, x, y, steps=40, **o),
    "gradient shap": lambda m, x, y, **o: features.attribute(m, x, y, "gradient_shap", steps=3, **o),
    "maximise": lambda m, x, y, **o: features.maximise(m, "3", [1, 4], x[:2], 0.5, 3, **o).images,
    "from noise": lambda m, x, y, **o: features.maximise_from_noise(m, "3", 1, x[0], starts=1, steps=2, **o).images,
    "units": lambda m, x, y, **o: features.choose_units(m, "3", x, 4, **o),
    "correct": lambda m, x, y, **o: features.classified_correctly({"one": m}, x, y, **o).tolist(),
    "filters": lambda m, x, y, **o: features.first_filters(m, x[0], **o),
    "layers": lambda m, x, y, **o: features.hidden_layers(m, x[0], **o),
    "curves": lambda m, x, y, **o: features.deletion_insertion(m, x, y, torch.ones(5, 1, 6, 6), 2, **o).deletion,
}

TRUSTED = {
    "saliency": lambda m, x, y: attribution.attribute(m, x, y, "saliency"),
    "integrated gradients": lambda m, x, y: attribution.attribute(m, x, y, steps=40),
    "gradient shap": lambda m, x, y: attribution.attribute(m, x, y, "gradient_shap", steps=3),
    "maximise": lambda m, x, y: maximisation.maximise(m, "3", [1, 4], x[:2], 0.5, 3).images,
    "from noise": lambda m, x, y: maximisation.maximise_from_noise(m, "3", [1], x[0], starts=1, steps=2).images,
    "units": lambda m, x, y: maximisation.choose_units(m, "3", x, 4),
    "correct": lambda m, x, y: all_correct({"one": m}, x, y).tolist(),
    "filters": lambda m, x, y: filters.first_filters(m, x[0]),
    "layers": lambda m, x, y: layers.hidden_layers(m, x[0]),
    "curves": lambda m, x, y: faithfulness.deletion_insertion(m, x, y, torch.ones(5, 1, 6, 6), 2).deletion,
}


def agrees(found, right):
    if isinstance(right, torch.Tensor):
        torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-3)
    else:
        assert found == right
