import os
import sys

import torch

# Several tests start processes that import the same modules: let them keep the compiled ones.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# One thread: two gain nothing on networks of this size, and on a busy machine they wait for each other.
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
