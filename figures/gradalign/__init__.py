"""Natural catastrophic overfitting, and GradAlign against it (spec: field.md; figures: the authors' repository)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = ()
