"""Scripted probes: trainers whose accuracy at every iteration is written down."""

from cotoolkit.evaluation.probe import ProbeResult


def result(pgd, fgsm=0.7, clean=0.9, points=200, robust=None):
    if robust is None:
        robust = [i < round(pgd * points) for i in range(points)]
    return ProbeResult(clean, fgsm, pgd, 0.5, points, tuple(robust))


class Script:
    """A trainer whose PGD accuracy at every iteration is written down; counts what it is asked to repeat."""

    def __init__(self, pgd, fgsm=0.7, clean=0.9, total=10_000):
        self.pgd, self.fgsm, self.clean, self.total = pgd, fgsm, clean, total
        self.iteration = 0
        self.repeated = 0
        self.measured = []

    def snapshot(self):
        return self.iteration

    def restore(self, snapshot):
        self.iteration = snapshot

    def advance(self, iterations):
        self.iteration += iterations
        assert self.iteration <= self.total
        self.repeated += iterations

    def measure(self, enough=None):
        self.measured.append(self.iteration)
        return result(self.pgd(self.iteration), self.fgsm, self.clean)
