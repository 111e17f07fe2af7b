"""What units and networks look for: filters, maximising images, attributions, input gradients.

The functions of this package check and convert the model, images and labels that they are given: they take what
`cotoolkit.evaluation.evaluate` takes, with `mean`, `std`, `bounds`, `forward` and `binary` as keywords, and `leave` for
images that leave their bounds. Those of its modules, such as `analyses.features.maximisation.maximise`, are the same
without any check.
"""

from analyses.features import filters, layers, maximisation
from analyses.features.attributions import attribution, conductance, faithfulness, frequency_bands
from analyses.features.attributions import integrated_gradients as path
from analyses.features.checked import checked_analysis
from analyses.features.gradients import fgsm_perturbations, input_gradients
from analyses.features.observed import Effort
from analyses.features.table import classified_correctly, feature_table
from analyses.features.table_statistics import STATISTICS

activations = checked_analysis(maximisation.activations, gradient=False)
attribute = checked_analysis(attribution.attribute)
band_ablation = checked_analysis(frequency_bands.band_ablation, gradient=False)
choose_units = checked_analysis(maximisation.choose_units, gradient=False)
completeness_gap = checked_analysis(path.completeness_gap, gradient=False)
deletion_insertion = checked_analysis(faithfulness.deletion_insertion, gradient=False)
first_filters = checked_analysis(filters.first_filters, gradient=False)
hidden_layers = checked_analysis(layers.hidden_layers, gradient=False)
integrated_gradients = checked_analysis(path.integrated_gradients)
maximise = checked_analysis(maximisation.maximise)
maximise_from_noise = checked_analysis(maximisation.maximise_from_noise)
randomised_correlation = checked_analysis(faithfulness.randomised_correlation)
unit_conductance = checked_analysis(conductance.unit_conductance)

__all__ = [
    "STATISTICS",
    "Effort",
    "activations",
    "attribute",
    "band_ablation",
    "choose_units",
    "classified_correctly",
    "completeness_gap",
    "deletion_insertion",
    "feature_table",
    "fgsm_perturbations",
    "first_filters",
    "hidden_layers",
    "input_gradients",
    "integrated_gradients",
    "maximise",
    "maximise_from_noise",
    "randomised_correlation",
    "unit_conductance",
]
