"""Claims about numbers over seeds: kinds of numbers with the intervals they call for, and verdicts."""
