"""Every training method under one loop: who prevents catastrophic overfitting, and at which cost."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "All methods on CIFAR-10 with one convolution, at 8/255, 10/255 and 16/255",
        "405 runs of five minutes of a core and more; the leaderboard has the methods and radii that were trained, and "
        "`cotoolkit compare --scale laptop` trains the others",
    ),
    NotReproduced(
        "FastAT Benchmark's tables: 21 methods, ResNet-18, 100 epochs, three data sets",
        "needs weeks of a GPU; `cotoolkit compare --scale paper --slice-minutes 10` trains its CIFAR-10 part in slices",
    ),
)
