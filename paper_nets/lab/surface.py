"""The loss around a trained net (Li, Xu, Taylor, Studer and Goldstein, arXiv 1712.09913)."""

import copy
from collections.abc import Mapping, Sequence

import pandas
import torch
from torch import Tensor, nn
from torch.nn import functional

from paper_nets.nets import InputError


def random_direction(net: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A random direction in the space of a net's weights, filter-normalised, by the names of its parameters.

    Each of its filters (of the classifier: each row) is as long as that filter of the net. Biases and batch norm do not
    move, as in the paper's code.
    """
    generator = torch.Generator().manual_seed(seed)
    direction = {}
    for name, p in net.named_parameters():
        d = torch.randn(p.shape, generator=generator).to(p)
        rest = tuple(range(1, p.dim()))
        ours, theirs = (torch.linalg.vector_norm(t, dim=rest, keepdim=True) for t in (p.detach(), d))
        direction[name] = d * ours / theirs if rest else torch.zeros_like(d)
    return direction


@torch.no_grad()
def loss_surface(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    first: Mapping[str, Tensor],
    second: Mapping[str, Tensor],
    steps: Sequence[float],
    other_steps: Sequence[float] | None = None,
) -> pandas.DataFrame:
    """The loss where the net's parameters are θ + a · first + b · second.

    The net is taken in its mode: in evaluation, as in the paper, its batch norms keep their running statistics.

    Args:
        images: normalised, N × channels × height × width.
        labels: N.
        first, second: directions, a tensor for each parameter that moves, by its name.
        steps: the values of a, and of b but for `other_steps`.

    Returns:
        A row for each a and b: a, b, loss (mean cross-entropy), error (per cent; NaN where a logit is not finite).

    Raises:
        InputError: for a direction that does not fit the net.
    """
    moved, start = copy.deepcopy(net), dict(net.named_parameters())
    for direction in (first, second):
        if wrong := [name for name, d in direction.items() if name not in start or start[name].shape != d.shape]:
            raise InputError(f"The direction moves {wrong[0]}, which is no parameter of this net or has another shape.")
    rows = []
    for a in steps:
        for b in steps if other_steps is None else other_steps:
            for name, p in moved.named_parameters():
                p.copy_(start[name] + a * first.get(name, 0) + b * second.get(name, 0))
            logits = moved(images)
            loss, error = functional.cross_entropy(logits, labels), (logits.argmax(1) != labels).float().mean()
            known = 1 if logits.isfinite().all() else torch.nan
            rows.append({"a": a, "b": b, "loss": loss.item(), "error": known * 100 * error.item()})
    return pandas.DataFrame(rows)
