"""Probes: what one can measure in a net that is there, without training it."""

import copy

import pandas
import torch
from sklearn.linear_model import RidgeClassifier
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional

from paper_nets.lab.data import Data
from paper_nets.nets import Block


def gradient_norms(net: nn.Module, x: Tensor, labels: Tensor) -> pandas.DataFrame:
    """The gradient of the mean cross-entropy over images (N, C, H, W) at every weighted layer, input first.

    Columns: layer (its name in the net), gradient (Euclidean norm over its weights), weight (the weights' own norm).
    The net stays in the mode that it is in; its gradients and running statistics are left as they were.
    """
    layers = {name: module for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    statistics = {name: buffer.clone() for name, buffer in net.named_buffers()}
    loss = functional.cross_entropy(net(x), labels)
    gradients = torch.autograd.grad(loss, [layer.weight for layer in layers.values()])
    for name, buffer in net.named_buffers():
        buffer.copy_(statistics[name])
    rows = [
        {"layer": name, "gradient": gradient.norm().item(), "weight": layer.weight.norm().item()}
        for (name, layer), gradient in zip(layers.items(), gradients, strict=True)
    ]
    return pandas.DataFrame(rows)


def layer_responses(net: nn.Module) -> pandas.DataFrame:
    """The standard deviation of what each convolution answers, after batch norm and before what follows (ResNet paper,
    Figure 7), input first.

    It is in the weights: over the images trained on, a batch norm gives its channel c the mean β_c and the standard
    deviation |γ_c|, so all channels together have the variance mean(γ²) + var(β).
    Columns: layer (the name of its batch norm), response. Raises ValueError for a net without batch norm.
    """
    norms = {name: module for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)}
    if not norms:
        raise ValueError("This net has no batch norm; the responses of the paper's Figure 7 are those after it.")
    rows = [
        {"layer": name, "response": (norm.weight.square().mean() + norm.bias.var(correction=0)).sqrt().item()}
        for name, norm in norms.items()
    ]
    return pandas.DataFrame(rows)


def block_inputs(net: nn.Module, x: Tensor) -> list[tuple[str, Block, Tensor]]:
    """Every residual or plain block of a net with its name and the input (N, c, h, w) that it gets for images x."""
    found, hooks, was_training = [], [], net.training
    for name, module in net.named_modules():
        if isinstance(module, Block):
            note = lambda block, given, _, name=name: found.append((name, block, given[0]))  # noqa: E731
            hooks.append(module.register_forward_hook(note))
    try:
        with torch.no_grad():
            net.eval()(x)
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return found


def jacobian(function: nn.Module, x: Tensor) -> Tensor:
    """dy/dx of one input (c, h, w), as a matrix: (numbers in y, numbers in x), with the function in evaluation mode."""
    was_training = function.training
    function.eval()
    try:
        derivative = jacrev(lambda image: function(image.unsqueeze(0)).flatten())(x)
    finally:
        function.train(was_training)
    return derivative.detach().flatten(1)


def singular_values(matrix: Tensor) -> Tensor:
    """How much a matrix stretches space along its axes, largest first; for dy/dx all 1 where y = x."""
    return torch.linalg.svdvals(matrix)


def recovered(net: nn.Module, data: Data) -> pandas.DataFrame:
    """How well the labels can be read off the input of each block, by a linear classifier (ridge regression) trained
    on the training images and tested on the test images.

    Columns: block (how many blocks the images have passed), accuracy (per cent), and similarity, the mean cosine
    between the maps of two different test images: 1 where all images look alike. Batch statistics are those of
    the training images, so that the probe works before any training too.
    """
    mean, std = data.mean_and_std
    train, test = ((images - mean) / std for images in (data.train_images, data.test_images))
    net = _with_statistics_of(net, train)
    rows = []
    for passed, ((*_, a), (*_, b)) in enumerate(zip(block_inputs(net, train), block_inputs(net, test), strict=True)):
        probe = RidgeClassifier().fit(a.flatten(1), data.train_labels)
        unit = functional.normalize(b.flatten(1))
        cosines, pairs = unit @ unit.T, len(unit) * (len(unit) - 1)
        rows.append(
            {
                "block": passed,
                "accuracy": 100 * probe.score(b.flatten(1), data.test_labels),
                "similarity": (cosines.sum() - cosines.trace()).item() / pairs,
            }
        )
    return pandas.DataFrame(rows)


@torch.no_grad()
def _with_statistics_of(net: nn.Module, x: Tensor) -> nn.Module:
    """A copy of the net whose running statistics are those of `x`."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    net.train()(x)
    return net
