"""What the statistics of `feature_table` mean, and which way they should go from a clean to a robust model.

Tags of the expectations: [S] stated in a text that was read; [R] recalled from the feature purification paper (arXiv
2005.10190) and not checked against it; [M] our own expectation. None of them is a result of ours.
"""

from __future__ import annotations

from analyses.features.attributions.attribution import Method

METHODS: tuple[Method, ...] = ("integrated_gradients", "saliency", "gradient_shap")
"""The attribution methods of the table. The method `input_x_gradient` is a crude form of the first."""

_BANDS = {
    "low": "[0, 1/3)",
    "mid": "[1/3, 2/3)",
    "high": "[2/3, 1)",
}

_PERTURBATIONS = "[M, after R: noise-like for clean networks, feature-like for robust ones]"

_MODELS = {"clean": "falls [M]", "robust": "rises [M]"}

STATISTICS: dict[str, str] = {
    **{
        f"input_gradient_{band}_share": f"Share, 0 to 1, of the loss gradient's energy at DCT frequencies in {reach} "
        f"of the Nyquist frequency; clean -> robust: "
        + {"low": "rises [M].", "mid": "open.", "high": "falls [M]."}[band]
        for band, reach in _BANDS.items()
    },
    "input_gradient_participation_ratio": "(sum g^2)^2 / sum g^4 of the loss gradient, 1 to the number of entries; "
    "clean -> robust: open; low values have been linked to catastrophic overfitting [S: arXiv 2505.02360].",
    "input_gradient_entropy": "Entropy in nats of the shares g^2 / sum g^2, 0 to log(entries); clean -> robust: open; "
    "goes with the participation ratio.",
    **{
        f"input_gradient_cosine_with_{other}": f"Cosine, -1 to 1, with the loss gradient of the {other} model at the "
        f"same image; clean -> robust: {way}."
        for other, way in _MODELS.items()
    },
    "input_gradient_direction_share": "Share, 0 to 1, of the loss gradient's energy in the span of the given "
    "directions; compare `direction_share_null`; clean -> robust: open.",
    **{
        f"fgsm_{band}_share": f"Share, 0 to 1, of the FGSM perturbation's energy at DCT frequencies in {reach} of the "
        "Nyquist frequency; clean -> robust: "
        + {"low": f"rises {_PERTURBATIONS}.", "mid": "open.", "high": f"falls {_PERTURBATIONS}."}[band]
        for band, reach in _BANDS.items()
    },
    "fgsm_direction_share": "Share, 0 to 1, of the FGSM perturbation's energy in the span of the given directions; "
    "compare `direction_share_null`; clean -> robust: open.",
    "direction_share_null": "Rank of the given directions / number of entries: the share that a random vector has.",
    **{
        f"{method}_{score}_with_{other}": f"{meaning} between the {method.replace('_', ' ')} maps of this and of the "
        f"{other} model; clean -> robust: {way}."
        for method in METHODS
        for score, meaning in {
            "cosine": "Cosine, -1 to 1,",
            "rank_correlation": "Spearman's rank correlation, -1 to 1,",
            "top_overlap": "Overlap, 0 to 1 (0.1 for independent maps without common zeros), of the tenth of the "
            "entries of largest magnitude",
        }.items()
        for other, way in _MODELS.items()
    },
    **{
        f"{method}_{name}": meaning.format(method.replace("_", " "))
        for method in METHODS
        for name, meaning in {
            "gini": "Gini coefficient, 0 (even) to 1 (one entry), of the magnitudes of the {} map; clean -> robust: "
            "rises [M: sparser maps].",
            "participation_ratio": "(sum a^2)^2 / sum a^4 of the {} map, 1 to the number of entries; clean -> robust: "
            "falls [M: sparser maps].",
            "high_frequency_share": "Share, 0 to 1, of the {} map's energy above half the Nyquist frequency; clean -> "
            "robust: falls [M].",
            "fgsm_cosine": "|Cosine|, 0 to 1, of the {} map with the FGSM perturbation of the same image; clean -> "
            "robust: open.",
        }.items()
    },
    "integrated_gradients_completeness_gap": "|sum of the map - (f(x) - f(black))| / mean |f(x) - f(black)|, from 0; a "
    "check of the quadrature: below 0.05 in every model [M]; ours doubles points down to 0.005, at most four times.",
    "integrated_gradients_deletion_auc": "Area, 0 to 1, under the target's probability while the most credited pixels "
    "turn black first; low for a faithful map; clean -> robust: open.",
    "integrated_gradients_insertion_auc": "Area, 0 to 1, under the target's probability while the most credited pixels "
    "are the first to appear on black; high for a faithful map; clean -> robust: open.",
    "saliency_randomised_correlation": "Spearman's correlation, -1 to 1, of the saliency map with that of a copy whose "
    "last layer is random; a check of the method: well below 1 in every model [M].",
    "filter_high_frequency_share": "Share, 0 to 1, of a first-layer filter's energy above half its Nyquist frequency; "
    "clean -> robust: falls [M, after R: robust filters look de-noised].",
    **{
        f"filter_lineage_cosine_with_{other}": f"|Cosine|, 0 to 1, of a first-layer filter with that of the same index "
        f"in the {other} model; only for models from the same initial weights; clean -> robust: {way}."
        for other, way in _MODELS.items()
    },
    "maximised_total_variation": "Total variation, from 0, of what activation maximisation changes in an image, mean "
    "over the starts; clean -> robust: falls [M].",
    "maximised_high_frequency_share": "Share, 0 to 1, of that change's energy above half the Nyquist frequency, mean "
    "over the starts; clean -> robust: falls [M].",
    "maximised_stability": "Mean |cosine|, 0 to 1, between the changes from different starts; clean -> robust: rises "
    "[M].",
    "maximised_gain": "Activation gained in the l2 ball, in standard deviations of the unit's activation over the "
    "images, mean over the starts, from 0; clean -> robust: falls [M: a robust unit moves less].",
}
"""Statistic -> what it is, its range, and the expected direction from clean to robust with its tag."""
