"""Training on local balls around adversaries, reconstructed (spec: local_ball.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "the paper's own tables and figures", "its text could not be read; loss, radius and numbers are unknown"
    ),
    NotReproduced(
        "F4: collapse share against epsilon",
        "every radius needs runs of its own, 13 s each on digits; the radius at which FGSM breaks is covered",
    ),
    NotReproduced(
        "claims W and S: weak and strong adversaries against PGD-10 and TRADES-10",
        "PGD-10 costs 50 s a run on digits; `cotoolkit analyse local-ball` has W, and S asks for CIFAR at equal clean "
        "accuracy",
    ),
    NotReproduced(
        "claim T against PGD and TRADES on digits, and against TRADES at laptop",
        "a curve needs two arms; `cotoolkit analyse local-ball --scale digits` trains three of PGD and two of TRADES",
    ),
    NotReproduced("T2, global term and preset T", "in `cotoolkit analyse local-ball`, too dear for the gallery"),
    NotReproduced(
        "local balls, with claims W and T, on one convolution on CIFAR-10, where FGSM training breaks by itself",
        "not trained yet on the network of gradalign/training_metrics: its runs take a quarter of an hour of a core "
        "each, and there were two",
    ),
    NotReproduced("T1, AutoAttack", "attacks that see through masking (margin, Square) stand in for it"),
    NotReproduced("D8, transfer from a PGD-10 network", "attacks without gradients (Square) stand in for it"),
)
