"""The runs of the benchmark: which are trained, what is recorded of them, the file of their traces, their truth."""
