"""What others print for these methods, to stand beside ours at scale paper: CIFAR-10, ResNet-18, in percent.

Nothing here was measured by us, and none of it is our setting: FastAT reports the best epoch, with label smoothing and
averages of weights.
"""

from __future__ import annotations

import pandas as pd

FASTAT = "FastAT Benchmark (arXiv 2604.22853), final rows, 100 epochs, best epoch by held-out PGD [R]"

LIET = "LIET (ICCV 2025), appendix, table 2, 3 seeds [R]"

ROWS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("8/255", "PGD-AT-WA", "82.36", "54.17", "50.49", FASTAT),
    ("8/255", "NuAT", "80.98", "54.63", "50.10", FASTAT),
    ("8/255", "LIET", "80.68", "55.97", "49.99", FASTAT),
    ("8/255", "PGI", "79.72", "55.82", "49.89", FASTAT),
    ("8/255", "FUAP", "", "", "49.73", FASTAT),
    ("8/255", "CUAP", "", "", "49.55", FASTAT),
    ("8/255", "UAP", "", "", "49.44", FASTAT),
    ("8/255", "GAT", "85.10", "53.81", "49.15", FASTAT),
    ("8/255", "RS-CS", "", "", "48.64", FASTAT),
    ("8/255", "PCO", "", "", "48.52", FASTAT),
    ("8/255", "GradAlign", "79.39", "52.87", "47.99", FASTAT),
    ("8/255", "N-FGSM", "78.59", "53.07", "47.77", FASTAT),
    ("8/255", "N-AAER", "", "", "47.38", FASTAT),
    ("8/255", "ZeroGrad", "", "", "45.94", FASTAT),
    ("8/255", "MEP-CS", "", "", "45.35", FASTAT),
    ("8/255", "Free", "", "", "44.34", FASTAT),
    ("8/255", "PGD-AT", "", "", "44.33", FASTAT),
    ("8/255", "RS-FGSM", "", "48.27 ± 5.3", "43.09 ± 5.3", FASTAT),
    ("8/255", "SSAT (Kim et al.)", "", "", "38.33", FASTAT),
    ("8/255", "FGSM", "", "", "37.28 (all three seeds collapsed)", FASTAT),
    ("8/255", "ELLE", "", "", "32.46 ± 25.3 (run with λ = 1; the official value is 1000)", FASTAT),
    ("16/255", "LIET", "", "", "25.22 ± 0.41", LIET),
    ("16/255", "PGD-AT-WA", "", "", "25.09 ± 0.21", LIET),
    ("16/255", "N-FGSM", "", "", "22.50 ± 1.33", LIET),
    ("16/255", "PGD-AT", "", "", "20.07 ± 0.05", LIET),
    ("16/255", "GradAlign", "", "", "15.43 ± 3.94", LIET),
    ("16/255", "COAT", "", "", "4.58 ± 3.24", LIET),
    ("16/255", "GAT", "", "", "3.14 ± 4.41", LIET),
    ("16/255", "NuAT", "", "", "0.13 ± 0.02", LIET),
    ("16/255", "PGI", "", "", "0.11", LIET),
    ("16/255", "UAP", "", "", "0.03", LIET),
    ("16/255", "FGSM", "", "", "0.00", LIET),
    ("16/255", "RS", "", "", "0.00", LIET),
    ("16/255", "Free", "", "", "0.00", LIET),
    ("16/255", "lp-FGSM (WRN-28-8)", "", "", "25.02", "lp-FGSM, README [R]"),
    ("16/255", "N-FGSM (WRN-28-8)", "", "", "22.50", "lp-FGSM, README [R]"),
)


def published_table() -> pd.DataFrame:
    """Columns radius, method, clean, PGD-50, AutoAttack, source: text as printed, empty where it was not read."""
    return pd.DataFrame(ROWS, columns=["radius", "method", "clean", "PGD-50", "AutoAttack", "source"])
