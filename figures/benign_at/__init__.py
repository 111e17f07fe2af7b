"""Memorisation and BAT-style training, reconstructed (spec: benign_at.md)."""

from figures.catalogue import Unbuilt

RECIPES: tuple[str, ...] = (
    "finding_a",
    "finding_b",
    "methods",
    "trade_off",
    "ablation",
    "course",
    "flagged",
    "flags_at_the_break",
)
"""Modules of this package, in the order of the gallery."""

UNBUILT: tuple[Unbuilt, ...] = (
    Unbuilt("the paper's own tables and figures", "its text could not be read beyond the abstract; no number is known"),
    Unbuilt("T1 and T2 on CIFAR-100 and Tiny ImageNet", "the data are not at hand; planted data stand in"),
    Unbuilt("T1, geometry-aware reweighting", "the method is not built"),
    Unbuilt("T1, AutoAttack and best checkpoint", "PGD-10 on the last weights at this size"),
    Unbuilt("F2 and F3 as curves over the number of images", "two points each: with all, and without a fixed number"),
    Unbuilt(
        "section 5, arms without atypical images", "in `cotoolkit analyse memorisation`, which knows them on digits"
    ),
)
