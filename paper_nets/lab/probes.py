"""Probes of what passes forward through a net: how strong it is, what a linear layer can read."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pandas
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from paper_nets.lab.data import Data
from paper_nets.nets import Block, DenseBlock, DenseLayer, DenseNet, InputError
from paper_nets.nets.parts import check_whole, evaluating


@contextmanager
def recording(net: nn.Module, kinds: type | tuple[type, ...], note: Callable) -> Iterator[None]:
    """While it lasts, `note(name, module, inputs, output)` is called whenever a module of these kinds has computed."""
    efficient = any(isinstance(module, DenseBlock) and module.memory_efficient for module in net.modules())
    if efficient and net.training and torch.is_grad_enabled():
        raise InputError("This net is memory-efficient, its layers do not compute one by one; build it without that.")
    with ExitStack() as hooks:
        for name, module in net.named_modules():
            if isinstance(module, kinds):
                hooks.enter_context(module.register_forward_hook(partial(note, name)))
        yield


def norm(values: Tensor, dim: int | None = None) -> Tensor:
    """In double precision: in float32 the square of what is below 10⁻²² is 0."""
    return values.cpu().double().norm(dim=dim)


def layer_responses(net: nn.Module) -> pandas.DataFrame:
    """The standard deviation of what each convolution answers, after batch norm and before what follows (ResNet paper,
    Figure 7).

    It is in the weights: over the images trained on, a batch norm gives its channel c the mean β_c and the standard
    deviation |γ_c|, so all channels together have the variance mean(γ²) + var(β).

    Returns:
        A row for each convolution, input first, projections on shortcuts too. Columns: layer (the name of its batch
        norm), response.

    Raises:
        InputError: for a net without batch norm, and for a pre-activation or dense net, where it comes before the
            convolution.
    """
    if isinstance(net, DenseNet) or getattr(getattr(net, "plan", None), "preact", False):
        raise InputError(
            "In a pre-activation or dense net batch norm comes before the convolution, and tells nothing of it; take a "
            "plain or residual net."
        )
    rows = [
        {"layer": name, "response": (norm.weight.square().mean() + norm.bias.var(correction=0)).sqrt().item()}
        for name, norm in net.named_modules()
        if isinstance(norm, nn.BatchNorm2d)
    ]
    if not rows:
        raise InputError("This net has no batch norm; the responses of the paper's Figure 7 are those after it.")
    return pandas.DataFrame(rows)


def block_inputs(net: nn.Module, x: Tensor) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """What every residual or plain block of a net, or every dense layer, reads of images, in evaluation mode.

    Args:
        x: images (N, C, H, W).

    Returns:
        An iterator over the name of each block, the block itself, and its input (N, c, h, w).

    Raises:
        InputError: for a net without such blocks, as any that is not ours.
    """
    found = []

    def note(name, block, inputs, _):
        # Maps side by side, so that one which many layers read takes its memory once; the block goes on to append.
        found.append((name, block, list(inputs[0]) if isinstance(block, DenseLayer) else [inputs[0]]))

    with evaluating(net), torch.no_grad(), recording(net, (Block, DenseLayer), note):
        net(x)
    if not found:
        raise InputError("This net has no blocks or dense layers of paper_nets; take one that build makes.")
    return ((name, block, torch.cat(maps, dim=1)) for name, block, maps in found)


def recovered(net: nn.Module, data: Data, numbers: int | None = None) -> pandas.DataFrame:
    """How well the labels can be read off the input of each block, or dense layer, by a linear classifier: a linear
    probe (Alain and Bengio, arXiv 1610.01644).

    It is a ridge regression, trained on the training images and tested on the test images. Batch statistics are those
    of the training images, so that the probe works before any training too.

    Args:
        numbers: give it at most so many, random sums of all that has arrived, so that nets which pass on more and less
            can be compared.

    Returns:
        Columns: block (how many the images have passed), accuracy (per cent), similarity (mean cosine between the maps
        of two different test images: 1 where all images look alike).

    Raises:
        InputError: for less than one number, and for a net that is not ours.
    """
    if numbers is not None:
        check_whole(numbers=numbers)
    from sklearn.linear_model import RidgeClassifier  # 60 MB that most of the notebooks do not need
    from threadpoolctl import threadpool_limits

    train, test = (data.normalise(images) for images in (data.train_images, data.test_images))
    net = calibrated(net, train)
    rows = []
    for passed, ((*_, a), (*_, b)) in enumerate(zip(block_inputs(net, train), block_inputs(net, test), strict=True)):
        a, b = a.flatten(1), b.flatten(1)
        unit = functional.normalize(b)
        if numbers and numbers < a.shape[1]:
            sums = torch.randn(a.shape[1], numbers, generator=torch.Generator().manual_seed(0)) / a.shape[1] ** 0.5
            a, b = a @ sums, b @ sums
        with threadpool_limits(torch.get_num_threads()):  # else ten times as slow beside any other program
            probe = RidgeClassifier().fit(a.double(), data.train_labels)  # ill-conditioned in single precision
        accuracy, cosines = 100 * probe.score(b.double(), data.test_labels), unit @ unit.T
        similarity = (cosines.sum() - cosines.trace()).item() / (len(unit) * (len(unit) - 1))
        rows.append({"block": passed, "accuracy": accuracy, "similarity": similarity})
    return pandas.DataFrame(rows)


def calibrated(net: nn.Module, x: Tensor) -> nn.Module:
    """A copy of the net in evaluation mode, whose batch norms have the statistics of images x, (N, C, H, W).

    An untrained net has none of its own, and in evaluation mode would run as if it had no batch norm.
    """
    net = copy.deepcopy(net)
    update_bn([x], net)
    return net.eval()
