import torch

torch.set_num_threads(1)  # the workers share the cores
