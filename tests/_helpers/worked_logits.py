"""The worked example of the specification of Benign AT (section 1.7): five samples, three classes."""

import torch

WORKED = torch.tensor([[2.0, 0, 0], [0, 3, 0], [0, 1, 2], [1, 1, 1], [0.5, 0, 2.5]])
LABELS = torch.tensor([0, 0, 2, 1, 0])
