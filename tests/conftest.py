import torch

# One thread: two gain nothing on networks of this size, and on a busy machine they wait for each other.
torch.set_num_threads(1)
