"""What a rule would have done in the recorded runs, and how good that is."""
