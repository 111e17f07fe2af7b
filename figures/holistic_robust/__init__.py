"""Holistic Robust training (spec: holistic_robust.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "the paper's own tables and figures", "only abstract, README and code could be read; all numbers unknown"
    ),
    NotReproduced(
        "6.1, single parameter on MNIST", "the files of MNIST were out of reach, and 1500 epochs; poison is shown small"
    ),
    NotReproduced("6.1, error sources on CIFAR-10", "300 epochs, days of two cores a run; poison is shown on digits"),
    NotReproduced("6.2, other shares of the data on digits", "the smallest share only; laptop has two"),
    NotReproduced(
        "6.2 on CIFAR-10, with TRADES, AutoAttack and early stopping",
        "not trained yet: robust overfitting, the premise of all its claims, needs a hundred epochs of PGD training, "
        "days of two cores a run",
    ),
    NotReproduced(
        "onset with the controls small batch, inverse, oracle, drop, exponential and CVaR",
        "in `cotoolkit analyse holistic`, too dear for the gallery; laptop has the first two",
    ),
    NotReproduced("alpha sweep over 0, 0.05, 0.1, 0.25 with 10 % and 25 % flips", "one alpha and share in the gallery"),
    NotReproduced(
        "overhead of HR", "a time, and so not comparable between machines; `cotoolkit methods` counts passes"
    ),
    NotReproduced(
        "1.3, the radius at a fixed number of images, and the number of epochs, as sweeps",
        "shares sweeps images and radii of HR; looks through training stand for the epochs",
    ),
    NotReproduced(
        "onset with RS-FGSM and N-FGSM, and N-FGSM with HR weights",
        "onset has FGSM alone: with 10 seeds and six arms each further attack is as much training again",
    ),
)
