"""What happens to weight mixtures across the breakpoint: a study from training to the answer."""
