"""Probes of the gradient: how large it is where, how far it can be trusted, and which paths it takes."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import comb

import pandas
import torch
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional

from paper_nets.lab.probes import block_inputs, norm, recording
from paper_nets.nets import Block, DenseNet, InputError
from paper_nets.nets.parts import check_whole, evaluating


def gradient_norms(net: nn.Module, x: Tensor, labels: Tensor) -> pandas.DataFrame:
    """The gradient of the mean cross-entropy at every convolution and linear layer, in the mode that the net is in.

    Args:
        x: images (N, C, H, W).

    Returns:
        A row for each layer that the loss depends on, input first. Columns: layer (its name in the net), signal
        (Euclidean norm of the gradient by the layer's output), gradient (of that by its weights), weight (of the
        weights), influence (gradient · weight: how much the loss can change when the weights change by a share of their
        size; before a batch norm it is the same at any scale of them).

    Raises:
        InputError: for a memory-efficient net in training mode, whose layers do not compute one by one.
    """
    net, outputs = copy.deepcopy(net).requires_grad_(), {}  # a copy: in training mode running statistics move, too

    def note(name, _, __, output):
        outputs[name] = output
        return output.clone()  # which goes on in its place, and may be changed

    with recording(net, (nn.Conv2d, nn.Linear), note):
        loss = functional.cross_entropy(net(x), labels)
    weights = [net.get_submodule(name).weight for name in outputs]
    gradients = torch.autograd.grad(loss, [*outputs.values(), *weights], allow_unused=True)
    rows = zip(outputs, gradients[: len(weights)], gradients[len(weights) :], weights, strict=True)
    rows = [(name, *(norm(tensor).item() for tensor in row)) for name, *row in rows if None not in row]
    table = pandas.DataFrame(rows, columns=["layer", "signal", "gradient", "weight"])
    return table.assign(influence=table.gradient * table.weight)


def gradient_similarity(net: nn.Module, start: Tensor, end: Tensor, shares: Sequence[float]) -> pandas.DataFrame:
    """How the gradient turns as an image moves: the shattering of Balduzzi et al. (arXiv 1702.08591).

    On the line from an image to its partner, the gradient of the first logit by the image is compared with that at the
    start. The net should be in evaluation mode: in training mode the images of a batch would act on one another.

    Args:
        start, end: N images and their partners, (N, C, H, W) each.
        shares: of the way from start to end.

    Returns:
        Columns: share, similarity (cosine of the two gradients, mean over the N pairs; 1 everywhere in a linear net).
    """

    def gradient(share: float) -> Tensor:
        x = (start + share * (end - start)).requires_grad_()
        return torch.autograd.grad(net(x)[:, 0].sum(), x)[0].flatten(1).cpu().double()

    first = gradient(0)
    # Below eps norms are taken for 0; of those of float32, none is.
    similarity = [functional.cosine_similarity(first, gradient(share), eps=1e-99).mean().item() for share in shares]
    return pandas.DataFrame({"share": shares, "similarity": similarity})


def loss_along_gradient(net: nn.Module, x: Tensor, labels: Tensor, rates: Sequence[float]) -> pandas.DataFrame:
    """What one step of gradient descent does to the loss that it was computed from, in the mode that the net is in.

    Args:
        x: images (N, C, H, W).
        rates: learning rates.

    Returns:
        Columns: rate, change (of the mean cross-entropy over the images), promised (the change if the loss were the
        plane that the gradient says: −rate · ‖gradient‖²).
    """
    net, rows = copy.deepcopy(net), []
    loss = functional.cross_entropy(net(x), labels)
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    slope = sum(gradient.square().sum().item() for gradient in gradients)
    before = [weight.detach().clone() for weight in net.parameters()]
    for rate in rates:
        with torch.no_grad():
            for weight, start, gradient in zip(net.parameters(), before, gradients, strict=True):
                weight.copy_(start).sub_(gradient, alpha=rate)
            change = functional.cross_entropy(net(x), labels) - loss
        rows.append({"rate": rate, "change": change.item(), "promised": -rate * slope})
    return pandas.DataFrame(rows)


def jacobian(function: nn.Module, x: Tensor, by_block: bool = False) -> Tensor | Iterator[Tensor]:
    """dy/dx in evaluation mode, of a net or block as a whole, or of a plain or residual net block by block.

    Args:
        x: one input (C, H, W). An untrained net is to be `calibrated` first.
        by_block: an iterator over the dy/dx of each block where x passes, computed in float64.

    Shape: a matrix of (numbers in y, numbers in x).

    Raises:
        InputError: by block for a dense net, and for a net that is not ours.
    """
    if by_block:
        if isinstance(function, DenseNet):
            raise InputError("This net is dense, layers read many inputs; dy/dx is that of a plain or residual block.")
        inputs = block_inputs(copy.deepcopy(function).double(), x.double().unsqueeze(0))
        return (jacobian(block, given[0]) for _, block, given in inputs)
    with evaluating(function):
        return jacrev(lambda image: function(image.unsqueeze(0)).flatten())(x).detach().flatten(1)


AT_ONCE = 256  # images in one pass


class Paths:
    """The loss of a residual net as a sum over paths: each of its n blocks is passed through F or through W_s.

    Multiplied out, the product of the blocks' (W_s + ∂F/∂x) has 2ⁿ terms, and the gradient is their sum (Veit et al.,
    arXiv 1605.06431). On the way forward nothing changes. The net is in evaluation mode, so that every image goes its
    way alone.

    Args:
        x: images (N, C, H, W).

    Raises:
        InputError: for a net without shortcuts.
    """

    def __init__(self, net: nn.Module, x: Tensor, labels: Tensor):
        blocks = [module for module in net.modules() if isinstance(module, Block)]
        if not blocks or not all(block.residual for block in blocks):
            raise InputError("Paths are those of a residual net; this net has no residual blocks.")
        self.blocks, self._given = len(blocks), (net, x, labels)
        self._through_F = [True] * self.blocks  # or in each block a flag for each image
        with evaluating(net), ExitStack() as hooks:
            for i, block in enumerate(blocks):
                hooks.enter_context(block.F.register_forward_hook(self._gate(i, True)))
                hooks.enter_context(block.W_s.register_forward_hook(self._gate(i, False)))
            self._start = net.stem(x).detach().requires_grad_()
            self._loss = functional.cross_entropy(net.head(net.stages(self._start)), labels)

    def _gate(self, i: int, is_F: bool):
        through_F = self._through_F  # a hook that held `self` would keep the graph alive

        def gate(_, __, output: Tensor) -> Tensor:
            output = output.clone()  # the identity's output is x itself, which F reads too
            output.register_hook(lambda gradient: gradient * (through_F[i] == is_F))
            return output

        return gate

    def gradient(self, through: Sequence[int]) -> Tensor:
        """The part of ∂loss/∂x that takes F in the blocks `through` (0, 1, …) and W_s in the others.

        Shape: that of what the first block reads, (N, c, H, W).

        Raises:
            InputError: for a number that no block has.
        """
        if wrong := [i for i in through if i not in range(self.blocks)]:
            raise InputError(f"There is no block {wrong[0]!r} in this net; its blocks are 0 to {self.blocks - 1}.")
        return self._gradient([i in through for i in range(self.blocks)])

    def _gradient(self, through_F: Sequence[bool | Tensor]) -> Tensor:
        self._through_F[:] = through_F
        return torch.autograd.grad(self._loss, self._start, retain_graph=True)[0]

    def lengths(self, samples: int) -> pandas.DataFrame:
        """How many paths of which length there are, and how large their parts of the gradient are.

        Norms are added up, so the shares say which paths are strong; in the gradient itself the parts may cancel.

        Args:
            samples: paths of each length, drawn at random.

        Returns:
            Columns: length (blocks passed through F), paths (how many there are), gradient (norm of one path's part,
            mean over the samples), error (that mean's standard error), share (paths · gradient, of its sum over all
            lengths).

        Raises:
            InputError: for no samples.
        """
        check_whole(samples=samples)
        generator, norms = torch.Generator().manual_seed(0), []
        net, x, labels = self._given
        most = max(1, AT_ONCE // len(x))
        for start in range(0, samples, most):
            copies = min(most, samples - start)
            many = Paths(net, x.repeat(copies, 1, 1, 1), labels.repeat(copies))  # a path for each copy
            for length in range(self.blocks + 1):
                order = torch.rand(copies, self.blocks, generator=generator).argsort(dim=1)
                through_F = (order < length).to(x.device).repeat_interleave(len(x), dim=0).T[..., None, None, None]
                parts = copies * many._gradient(list(through_F))  # the loss is a mean over all copies
                norms.append(pandas.DataFrame({"length": length, "norm": norm(parts.reshape(copies, -1), 1).tolist()}))
        table = pandas.concat(norms).groupby("length").norm.agg(gradient="mean", error="sem").reset_index()
        table.insert(1, "paths", [comb(self.blocks, length) for length in table.length])
        carried = table.paths * table.gradient
        return table.assign(share=carried / carried.sum())
