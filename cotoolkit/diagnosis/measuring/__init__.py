"""What a diagnosis measures."""
