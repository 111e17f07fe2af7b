"""What a network returns: which part are the logits, and logits from probabilities."""
