"""Probes of the gradient: how large it is where, how far it can be trusted, and which paths it takes."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import comb

import pandas
import torch
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional

from paper_nets.lab.probes import block_inputs, recording
from paper_nets.nets import Block, DenseNet, InputError
from paper_nets.nets.parts import check_whole, evaluating


@contextmanager
def _left_as_it_was(net: nn.Module) -> Iterator[None]:
    """Weights and running statistics are put back, whatever happens in between."""
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    try:
        yield
    finally:
        net.load_state_dict(before)


def check_layers_compute_apart(net: nn.Module) -> None:
    """Refuse a memory-efficient dense net, whose layers do not compute one by one in training."""
    if isinstance(net, DenseNet) and net.plan.memory_efficient:
        raise InputError("This net is memory-efficient, its layers do not compute one by one; build it without that.")


def gradient_norms(net: nn.Module, x: Tensor, labels: Tensor) -> pandas.DataFrame:
    """The gradient of the mean cross-entropy over images (N, C, H, W) at every weighted layer, input first.

    Columns: layer (its name in the net), signal (Euclidean norm of the gradient by the layer's output), gradient (that
    of the gradient by its weights), weight (the weights' own norm), influence (gradient · weight: how much the loss can
    change when the weights change by a share of their size; before a batch norm it is the same at any scale of them).
    The net stays in the mode that it is in; its gradients and running statistics are left as they were.
    Raises InputError for a memory-efficient net in training mode, whose layers do not compute one by one.
    """
    if net.training:
        check_layers_compute_apart(net)
    layers = {name: module for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    outputs = {}

    def note(name, _, __, output):
        outputs[name] = output

    with _left_as_it_was(net), recording(net, (nn.Conv2d, nn.Linear), note):
        loss = functional.cross_entropy(net(x), labels)
        wanted = [outputs[name] for name in layers] + [layer.weight for layer in layers.values()]
        norms = [gradient.norm().item() for gradient in torch.autograd.grad(loss, wanted)]
    table = pandas.DataFrame(
        {
            "layer": list(layers),
            "signal": norms[: len(layers)],
            "gradient": norms[len(layers) :],
            "weight": [layer.weight.norm().item() for layer in layers.values()],
        }
    )
    return table.assign(influence=table.gradient * table.weight)


def gradient_similarity(net: nn.Module, start: Tensor, end: Tensor, shares: Sequence[float]) -> pandas.DataFrame:
    """How the gradient turns as an image moves: the shattering of Balduzzi et al. (arXiv 1702.08591).

    On the line from an image of `start` to its partner in `end`, (N, C, H, W) each, the gradient of the first logit by
    the image is compared with that at the start. Columns: share (of the way, as in `shares`), similarity (cosine of the
    two gradients, mean over the N pairs; 1 everywhere in a linear net).
    The net should be in evaluation mode: in training mode the images of a batch would act on one another.
    """

    def gradient(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(net(x)[:, 0].sum(), x)[0].flatten(1)

    first = gradient(start)
    rows = [
        {
            "share": share,
            "similarity": functional.cosine_similarity(first, gradient(start + share * (end - start))).mean().item(),
        }
        for share in shares
    ]
    return pandas.DataFrame(rows)


def loss_along_gradient(net: nn.Module, x: Tensor, labels: Tensor, rates: Sequence[float]) -> pandas.DataFrame:
    """What one step of gradient descent does to the loss that it was computed from, for learning rates `rates`.

    Columns: rate; change (of the mean cross-entropy over the images); promised (the change if the loss were the plane
    that the gradient says: −rate · ‖gradient‖²). The net stays in the mode that it is in, and is left as it was.
    """
    weights, rows = list(net.parameters()), []
    with _left_as_it_was(net):
        loss = functional.cross_entropy(net(x), labels)
        gradients = torch.autograd.grad(loss, weights)
    slope = sum(gradient.square().sum().item() for gradient in gradients)
    for rate in rates:
        with _left_as_it_was(net), torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=rate)
            change = functional.cross_entropy(net(x), labels) - loss
        rows.append({"rate": rate, "change": change.item(), "promised": -rate * slope})
    return pandas.DataFrame(rows)


def jacobian(function: nn.Module, x: Tensor) -> Tensor:
    """dy/dx of one input (c, h, w), as a matrix: (numbers in y, numbers in x), with the function in evaluation mode."""
    with evaluating(function):
        derivative = jacrev(lambda image: function(image.unsqueeze(0)).flatten())(x)
    return derivative.detach().flatten(1)


def block_jacobians(net: nn.Module, image: Tensor) -> Iterator[Tensor]:
    """dy/dx of one block after the other of a plain or residual net, at one image (C, H, W), computed in float64.

    The net is in evaluation mode; an untrained one is to be `calibrated` first. Raises InputError for a dense net.
    """
    if isinstance(net, DenseNet):
        raise InputError("This net is dense, its layers read many inputs; dy/dx is that of a plain or residual block.")
    for _, block, given in block_inputs(copy.deepcopy(net).double(), image.double().unsqueeze(0)):
        yield jacobian(block, given[0])


def singular_values(matrix: Tensor) -> Tensor:
    """How much a matrix stretches space along its axes, largest first; for dy/dx all 1 where y = x."""
    return torch.linalg.svdvals(matrix)


class Paths:
    """The loss of a residual net as a sum over paths: each of its n blocks is passed through F or through W_s.

    Multiplied out, the product of the blocks' (W_s + ∂F/∂x) has 2ⁿ terms, and the gradient is their sum (Veit et al.,
    arXiv 1605.06431). `gradient` gives the part that takes F where told and W_s elsewhere; on the way forward nothing
    changes. The net is in evaluation mode, so that every image goes its way alone.
    Raises InputError for a net without shortcuts.
    """

    def __init__(self, net: nn.Module, x: Tensor, labels: Tensor):
        blocks = [module for module in net.modules() if isinstance(module, Block)]
        if not blocks or not all(block.residual for block in blocks):
            raise InputError("Paths are those of a residual net; this net has no residual blocks.")
        self.blocks = len(blocks)
        self._through_F = [True] * self.blocks
        with evaluating(net), ExitStack() as hooks:
            for i, block in enumerate(blocks):
                hooks.enter_context(block.F.register_forward_hook(self._gate(i, True)))
                hooks.enter_context(block.W_s.register_forward_hook(self._gate(i, False)))
            self._start = net.stem(x).detach().requires_grad_()
            self._loss = functional.cross_entropy(net.head(net.stages(self._start)), labels)

    def _gate(self, i: int, is_F: bool):
        def gate(_, __, output: Tensor) -> Tensor:
            output = output.clone()  # the identity's output is x itself, which F reads too
            output.register_hook(lambda gradient: gradient * (self._through_F[i] == is_F))
            return output

        return gate

    def gradient(self, through: Sequence[int]) -> Tensor:
        """The part of ∂loss/∂x that takes F in the blocks `through` (0, 1, …) and W_s in the others.

        x, (N, c, H, W), is what the first block reads. Raises InputError for a number that no block has.
        """
        if wrong := [i for i in through if i not in range(self.blocks)]:
            raise InputError(f"There is no block {wrong[0]!r} in this net; its blocks are 0 to {self.blocks - 1}.")
        self._through_F[:] = [i in through for i in range(self.blocks)]
        return torch.autograd.grad(self._loss, self._start, retain_graph=True)[0]


def path_lengths(net: nn.Module, x: Tensor, labels: Tensor, samples: int) -> pandas.DataFrame:
    """How many paths of which length there are, and how large their parts of the gradient are.

    Columns: length (blocks passed through F), paths (how many there are), gradient (norm of one path's part, mean over
    `samples` paths drawn at random), share (paths · gradient, of its sum over all lengths). Norms are added up, so the
    shares say which paths are strong; in the gradient itself the parts may cancel.
    Raises InputError for a net without shortcuts and for no samples.
    """
    check_whole(samples=samples)
    paths, generator = Paths(net, x, labels), torch.Generator().manual_seed(0)
    rows = []
    for length in range(paths.blocks + 1):
        drawn = [torch.randperm(paths.blocks, generator=generator)[:length].tolist() for _ in range(samples)]
        norm = sum(paths.gradient(through).norm().item() for through in drawn) / samples
        rows.append({"length": length, "paths": comb(paths.blocks, length), "gradient": norm})
    table = pandas.DataFrame(rows)
    carried = table.paths * table.gradient
    return table.assign(share=carried / carried.sum())
