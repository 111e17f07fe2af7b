"""What every analysis rests on: claims, statistics, and the runner that trains and measures."""
