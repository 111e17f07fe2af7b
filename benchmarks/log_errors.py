"""How often the diagnosis of a log errs, on logs of trainings that never were; the figures of docs/diagnose_log.md.

    python benchmarks/log_errors.py [RUNS [SEED]]

So many healthy and so many broken logs (3,000 of each), once with the number of points told and once without. Losses
are told apart by what is left of PGD accuracy (at most a fifth: full; 30 to 50 %: partial), and by whether 30 points or
more were right before.
"""

import sys
from collections import Counter

import numpy as np

from cotoolkit.diagnosis.logs.breaks import find_breaks
from cotoolkit.diagnosis.logs.reading.courses import Course
from tests._helpers.made_logs import broken_log, healthy_log

ENOUGH = 30
NAMES = ("losses", "missed", "off", "outside", "recovery")
"""Of these: missed; dated more than a row off; the row outside the interval; a recovery seen or missed wrongly."""


def found_in(made, told):
    columns = (made.table[name].to_numpy(dtype=float) for name in ("epoch", "pgd", "fgsm", "clean"))
    return find_breaks(Course({}, *columns), made.points if told else None, None)


def main(runs, seed):
    for told in (True, False):
        rng = np.random.default_rng(seed + (not told))
        called = sum(bool(found_in(healthy_log(rng), told)) for _ in range(runs))
        print(f"points {'told' if told else 'not told'}: {called} of {runs} healthy runs called")
        counts = {}
        for _ in range(runs):
            made = broken_log(rng)
            breaks = found_in(made, told)
            kind = "partial" if made.partial else "full", made.pgd * made.points >= ENOUGH
            nearest = min((abs(one.row - made.breaks[0]) for one in breaks), default=None)
            told_back = any(one.end is not None for one in breaks) == (made.recovery is not None)
            inside = any(one.earliest <= made.breaks[0] <= one.latest for one in breaks)
            outcome = Counter(
                losses=1,
                missed=not breaks,
                off=nearest is not None and nearest > 1,
                outside=bool(breaks) and not inside,
                recovery=bool(breaks) and not told_back,
            )
            counts[kind] = counts.get(kind, Counter()) + outcome
        for (kind, enough), found in sorted(counts.items()):
            right = f"{'at least' if enough else 'less than'} {ENOUGH} points right"
            print(f"  {kind} losses, {right}: {', '.join(f'{int(found[name])} {name}' for name in NAMES)}")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 3000, int(words[1]) if len(words) > 1 else 7)
