"""What a diagnosis measures: attacks, the loss around the images, outputs and gradients."""
