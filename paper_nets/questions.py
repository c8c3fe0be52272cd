"""What the notebooks ask their readers: a check for each question, against the nets themselves.

A check says what is off about an answer; the solutions are in the notebooks, folded up.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from paper_nets.nets import Block, ResNetPlan, build
from paper_nets.nets.parts import ZeroPad
from paper_nets.show import NotYet, question


@question
def option_a(answer: Callable[[Tensor], Tensor]) -> str:
    """W_s of option A from (N, 16, H, W) to (N, 32, H / 2, W / 2)."""
    x = torch.randn(2, 16, 8, 8)
    want, got = ZeroPad(16, 2)(x), answer(x)
    if got.shape != want.shape:
        raise NotYet(f"the output's shape is {tuple(got.shape)}; it must be {tuple(want.shape)}.")
    if not torch.equal(got[:, :16], want[:, :16]):
        raise NotYet("the shape is right; the first 16 channels must be every second pixel of x, from the first on.")
    if got[:, 16:].any():
        raise NotYet("the first 16 channels are right; the 16 new ones must be zero.")
    return "No parameters, and no arithmetic either."


@question
def option_b_parameters(answer: int) -> str:
    """Parameters that option B adds to residual-56."""
    a, b = (sum(p.numel() for p in build("resnet56", shortcut=option).parameters()) for option in "AB")
    if answer == 16 * 32 + 32 * 64:
        raise NotYet("the weights of both projections are there, but each is followed by a batch norm.")
    if answer != b - a:
        raise NotYet(
            f"{answer:,} is not it. Two blocks change dimensions, 16 to 32 and 32 to 64 channels; each gets a 1×1 "
            f"convolution without bias, and a batch norm with a scale and a shift for each channel that comes out."
        )
    return f"{b - a:,} on top of {a:,}: {100 * (b - a) / a:.1f} %."


@question
def make_identity(answer: Callable[[Block], None]) -> str:
    """Change as few tensors of a residual block as possible, so that it passes any x ≥ 0 on."""
    torch.manual_seed(0)
    block = Block(ResNetPlan(), 8, 8)
    before = {name: parameter.clone() for name, parameter in block.named_parameters()}
    answer(block)
    changed = [name for name, parameter in block.named_parameters() if not torch.equal(parameter, before[name])]
    x = torch.rand(4, 8, 6, 6)
    off = (block.train()(x) - x).abs().max().item()
    if off > 1e-6:
        raise NotYet(f"y still differs from x by up to {off:.2g} (changed: {', '.join(changed) or 'nothing'}).")
    if len(changed) > 1:
        raise NotYet(f"y = x, but {len(changed)} tensors were changed ({', '.join(changed)}); one is enough.")
    return "One tensor, eight numbers. No such change would do it for a plain block."
