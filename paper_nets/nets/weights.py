"""Weights that torchvision published, in our nets."""

import torch
from torch import Tensor, nn

from paper_nets.nets.catalog import DENSENET_IMAGENET, RESNET_IMAGENET, build
from paper_nets.nets.parts import InputError

SHARED = (*(f"resnet{d}" for d in RESNET_IMAGENET), *(f"densenet{d}" for d in DENSENET_IMAGENET if d != 264))


def from_torchvision(state_dict: dict[str, Tensor]) -> nn.Module:
    """Our net with the weights of torchvision's, whichever of the nets that both have it is.

    Both register their tensors in the order of the forward pass, so the n-th of theirs is the n-th of ours. The
    bottlenecks come with their stride in the 3×3 convolution, as torchvision has it ("v1.5").

    Raises:
        InputError: for a state_dict of any other net.
    """
    theirs = list(state_dict.values()) if isinstance(state_dict, dict) else []
    if not theirs or not all(isinstance(tensor, Tensor) for tensor in theirs):
        raise InputError(
            f"from_torchvision takes a state_dict, names with tensors; this is {type(state_dict).__name__}."
        )
    for name in SHARED:
        stride = {"stride_in": "3x3"} if name.startswith("resnet") else {}
        # On the meta device a net has shapes and no memory: cheap enough to try them all.
        with torch.device("meta"):
            net = build(name, num_classes=theirs[-1].numel() or 1, **stride)
        ours = net.state_dict()
        if [t.shape for t in ours.values()] == [t.shape for t in theirs]:
            copies = (tensor.detach().clone() for tensor in theirs)
            net.load_state_dict(dict(zip(ours, copies, strict=True)), assign=True)
            return net
    raise InputError(
        f"This state_dict of {len(theirs)} tensors fits none of the nets shared with torchvision: {', '.join(SHARED)}."
    )


def pretrained(name: str) -> nn.Module:
    """One of the shared nets with torchvision's ImageNet weights, which are downloaded on first use.

    They are the first published ones, trained much as the papers train; later ones owe more to their recipe.

    Raises:
        InputError: for a net that torchvision does not have.
        ConnectionError: without a network.
    """
    from torchvision import models

    if name not in SHARED:
        raise InputError(f"There are no published weights for {name!r}; there are for {', '.join(SHARED)}.")
    try:
        return from_torchvision(models.get_model(name, weights="IMAGENET1K_V1").state_dict())
    except (OSError, RuntimeError) as error:  # no network; a file that is not what was published
        raise ConnectionError(
            f"The weights of {name} could not be downloaded ({error}); a network is needed once."
        ) from error
