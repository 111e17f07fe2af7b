"""Memorisation and BAT-style training, reconstructed (spec: benign_at.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "the paper's own tables and figures", "its text could not be read beyond the abstract; no number is known"
    ),
    NotReproduced(
        "T1 and T2 on CIFAR-100 and Tiny ImageNet",
        "not trained yet: forty networks on halves of the data, and the arms, are days of a CPU; planted data stand in",
    ),
    NotReproduced("T1, geometry-aware reweighting", "the method is not built"),
    NotReproduced("T1, AutoAttack and best checkpoint", "PGD-10 on the last weights at this size"),
    NotReproduced(
        "F2 and F3 as curves over the number of images", "two points each: with all, and without a fixed number"
    ),
    NotReproduced(
        "section 5, arms without atypical images", "in `cotoolkit analyse memorisation`, which knows them on digits"
    ),
)
