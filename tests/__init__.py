# Before any test imports PyTorch, which reads then how threads wait.
import paper_nets  # noqa: F401, I001
import torch

# As in the notebooks: what the tests train is done before a second thread is awake.
torch.set_num_threads(1)
