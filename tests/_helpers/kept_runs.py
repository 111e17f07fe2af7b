"""Runs that kept weights, and what they would say had they broken."""

from cotoolkit.runs.folder import RunFolder

KEPT = (0, 5, 10, 15)


class Broken(RunFolder):
    """A run that says it broke at iteration 8, certainly between 7 and 9."""

    def result(self):
        detail = {"earliest": 7, "latest": 9}
        return {**super().result(), "breakpoint": {"iteration": 8, "detail": detail}}


class Early(Broken):
    def result(self):
        return {**super().result(), "breakpoint": {"iteration": 0, "detail": {"earliest": 0, "latest": 0}}}


class Late(Broken):
    def result(self):
        return {**super().result(), "breakpoint": {"iteration": 14, "detail": {"earliest": 13, "latest": 14}}}
