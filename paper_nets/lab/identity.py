"""A stack of blocks is asked to pass its input on: nothing, or hardly anything, is to be done (claim C6)."""

from collections.abc import Iterator
from math import isfinite

import pandas
import torch
from torch import Tensor, nn
from torch.nn import functional

from paper_nets.lab.train import OwnNumbers, in_steps
from paper_nets.nets import Block, InputError, ResNetPlan
from paper_nets.nets.parts import check_choice, check_whole, initialise

# zero_init: residual, with γ = 0 in the last batch norm of each block (Goyal et al., arXiv 1706.02677, Section 5.1).
KINDS = ("plain", "residual", "zero_init")
WIDTH, SIDE, IMAGES = 8, 4, 64


def learn_identity(
    kind: str, blocks: int, distance: float, seed: int, steps: int = 150, rate: float = 1e-3
) -> Iterator[pandas.DataFrame]:
    """Train a stack of blocks with Adam to give σ(x + distance · c(x)) for a fixed random convolution c.

    Distance 0 asks for x itself, which a stack of blocks that end in ReLUs can give: the inputs x are not negative.

    Args:
        kind: one of `KINDS`.
        rate: Adam's learning rate.

    Returns:
        Every 10 steps, the table of what was seen so far. Columns: kind, seed, step, error = ‖y − target‖ / ‖target‖,
        and means over the blocks: residual = ‖F(x)‖ / ‖x‖ and added = ‖F(x)‖, of a plain block, which adds nothing,
        with y − x for F(x); moved = ‖y − x‖ / ‖x‖, how far a block's output is from its input.

    Raises:
        InputError: for another kind, for no blocks or steps, and for a distance that is negative or not finite.
    """
    check_choice("kind", kind, KINDS)
    check_whole(blocks=blocks, steps=steps)
    if not (isfinite(distance) and distance >= 0):
        raise InputError(f"distance is {distance!r}; it must be a number of at least 0, 0 for the identity itself.")
    learning = _learn(_stack(kind, blocks, seed), *task(distance, seed), steps, rate, {"kind": kind, "seed": seed})
    yield from in_steps(learning, "digits")  # maps as small as theirs


def _learn(
    stack: nn.Sequential, given: Tensor, target: Tensor, steps: int, rate: float, facts: dict
) -> Iterator[pandas.DataFrame]:
    optimiser = torch.optim.Adam(stack.parameters(), rate, foreach=True)
    rows = []
    for step in range(steps + 1):
        y, sizes = given, []
        for block in stack:
            x, F = y, block.F(y)
            y = torch.relu(F + x if block.residual else F)
            added = (F if block.residual else y - x).norm()
            sizes.append(torch.stack([added / x.norm(), added, (y - x).norm() / x.norm()]).detach())
        loss = functional.mse_loss(y, target) / target.square().mean()
        means = dict(zip(("residual", "added", "moved"), torch.stack(sizes).mean(0).tolist(), strict=True))
        rows.append({**facts, "step": step, "error": loss.item() ** 0.5, **means})
        if step % 10 == 0 or step == steps:
            yield pandas.DataFrame(rows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def task(distance: float, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (64, 8, 4, 4) each."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(IMAGES, WIDTH, SIDE, SIDE, generator=generator).relu()
    kernel = torch.randn(WIDTH, WIDTH, 3, 3, generator=generator) * (2 / (9 * WIDTH)) ** 0.5
    return x, (x + distance * functional.conv2d(x, kernel, padding=1)).relu()


def _stack(kind: str, blocks: int, seed: int) -> nn.Sequential:
    plan = ResNetPlan(residual=kind != "plain")
    with OwnNumbers(seed):
        stack = nn.Sequential(*(Block(plan, WIDTH, WIDTH) for _ in range(blocks)))
        initialise(stack)
    if kind == "zero_init":
        for block in stack:
            nn.init.zeros_(block.F[-1].weight)
    return stack
