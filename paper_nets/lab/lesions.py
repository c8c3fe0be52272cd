"""Lesions: what is left of a trained net when blocks are taken out of it, or change places (Veit et al., arXiv
1605.06431, Section 4)."""

import copy
from collections.abc import Collection
from itertools import combinations
from math import prod

import torch
from torch import nn

from paper_nets.nets import Block, InputError
from paper_nets.nets.parts import ZeroPad


def lesioned(net: nn.Module, deleted: Collection[int] = (), swaps: int = 0, seed: int = 0) -> nn.Module:
    """A copy of a plain or residual net without some of its blocks, in which pairs of those left have changed places.

    A deleted block is passed by: y = σ(W_s x). Where the dimensions change, W_s of a plain net is that of option A.

    Args:
        deleted: their numbers (1, 2, …) among the blocks that the net has; of one that has lost some, those left.
        swaps: how many pairs, drawn at random, no pair twice. The two are of one stage, and neither is its first, since
            that one may change the dimensions.

    Raises:
        InputError: for a number that no block has, for more swaps than there are such pairs, and for a net without such
            blocks.
    """
    net, generator = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    places = _places(net)
    if not places:
        raise InputError("This net has no plain or residual blocks.")
    if wrong := [i for i in deleted if i not in range(1, len(places) + 1)]:
        raise InputError(f"There is no block {wrong[0]!r} in this net; its blocks are 1 to {len(places)}.")
    for i in set(deleted):
        stage, place = places[i - 1]
        block = stage[place]
        if block.residual:
            W_s = block.W_s
        else:
            convs = [layer for layer in block.F if isinstance(layer, nn.Conv2d)]
            stride = prod(conv.stride[0] for conv in convs)
            W_s = ZeroPad(convs[-1].out_channels - convs[0].in_channels, stride)
        stage[place] = nn.Sequential(block.before, W_s, block.sigma)
    pairs = [(stage, i, j) for (stage, i), (other, j) in combinations(_places(net), 2) if stage is other and 0 < i < j]
    if not 0 <= swaps <= len(pairs):
        raise InputError(f"swaps is {swaps!r}; this net has {len(pairs)} pairs of blocks that can change places.")
    for k in torch.randperm(len(pairs), generator=generator)[:swaps].tolist():
        stage, i, j = pairs[k]
        stage[i], stage[j] = stage[j], stage[i]
    return net


def _places(net: nn.Module) -> list[tuple[nn.Sequential, int]]:
    """Where each block stands: its stage, and its place there."""
    stages = getattr(net, "stages", ())
    return [(stage, i) for stage in stages for i, block in enumerate(stage) if isinstance(block, Block)]
