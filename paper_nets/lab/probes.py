"""Probes: what one can measure in a net that is there, without training it."""

import pandas
import torch
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional

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
