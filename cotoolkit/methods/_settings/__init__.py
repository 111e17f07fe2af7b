"""What defaults and refusals of methods share."""
