"""Memorisation and BAT-style training, reconstructed (spec: benign_at.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "the paper's own tables and figures", "its text could not be read beyond the abstract; no number is known"
    ),
    NotReproduced(
        "findings (a) and (b), T1, T2 and the trade-off (F5) on CIFAR-100 and Tiny ImageNet",
        "memorisation has a figure at laptop, of part of CIFAR-100; the methods and the arms without groups of images "
        "are not trained there: with 100 images of each class a network with one convolution is seldom right on others",
    ),
    NotReproduced("T1, geometry-aware reweighting", "the method is not built"),
    NotReproduced("T1, AutoAttack and best checkpoint", "PGD-10 on the last weights at this size"),
    NotReproduced(
        "F2 and F3 as curves over the number of images", "two points each: with all, and without a fixed number"
    ),
    NotReproduced(
        "flags_at_the_break, arms without atypical images",
        "in `cotoolkit analyse memorisation`, which knows them on digits",
    ),
    NotReproduced(
        "1.3, 1.6 and 1.8, influence by class; other thresholds and starts of the flags",
        "influence is of groups of images; flagged shows all thresholds at one start",
    ),
    NotReproduced(
        "4.2 and 4.3, harm over radii; early stopping and label smoothing as arms",
        "one radius; `remedy=early_stop` and `label_smoothing` exist and are not among the arms",
    ),
)
