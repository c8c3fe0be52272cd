# Before any test imports PyTorch, which reads then how threads wait.
import paper_nets  # noqa: F401
