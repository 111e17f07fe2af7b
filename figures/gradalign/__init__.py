"""Natural catastrophic overfitting, and GradAlign against it (spec: field.md; figures: the authors' repository)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "Figure 8, the lines of Free-AT and of other methods",
        "all are methods of this toolkit (FGSM-CKPT is `ssat`) and stand in method_comparison, at one radius",
    ),
    NotReproduced(
        "Figure 8 with one convolution of sixteen filters on CIFAR-10",
        "not trained yet: about ten minutes of a core a run, of which there were two, and five times that with PGD-10",
    ),
    NotReproduced(
        "Figure 8 on SVHN",
        "the recipe has a plan for CIFAR-10 alone; SVHN is a data set of the toolkit, but its schedule was not read",
    ),
)
