"""Evidence beyond accuracies, one piece a file: each a pure function of a network and some points.

What a piece means, where it comes from and what it costs is filed with its signal (`cotoolkit.signals`); which numbers
count as much or little is in `diagnosis.thresholds`.
"""
