"""A small table of runs and one of their metrics, made up."""

import pandas as pd


def run_tables():
    rows, metrics = [], []
    for method in ("fgsm", "pgd"):
        for beta in (0.0, 0.1):
            for seed in range(2):
                name = f"{method}-{beta}-{seed}"
                broken = method == "fgsm" and beta > 0
                rows.append(
                    {
                        "run": name,
                        "method": method,
                        "epsilon": 8 / 255,
                        "beta": beta,
                        "seed": seed,
                        "verdict": "catastrophic overfitting" if broken else "robust",
                        "collapsed": broken and seed == 0,
                        "breakpoint": 50 + seed if broken else None,
                        "earliest": 45 if broken else None,
                        "latest": 55 + seed if broken else None,
                        "pgd-50": 0.1 if broken else 0.5 + 0.1 * seed,
                    }
                )
                metrics += [
                    {"run": name, "iteration": iteration, "signal": signal, "value": 0.5}
                    for iteration in (0, 50, 100)
                    for signal in ("probe_fgsm", "probe_pgd", "train_loss")
                ]
    return pd.DataFrame(rows), pd.DataFrame(metrics)
