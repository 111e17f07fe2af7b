"""What methods remember from step to step, and passes that start from it."""
