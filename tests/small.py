"""Images and nets small enough to be followed by hand."""

import torch
from torch import Tensor, nn

from paper_nets import build


def some_images() -> Tensor:
    """Six images of 1 × 8 × 8, always the same."""
    return torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def small(name: str = "resnet8", **changes) -> nn.Module:
    """A net by name with 4 channels in its first stage, its weights always the same."""
    torch.manual_seed(0)
    return build(name, in_channels=1, width=4, **changes)
