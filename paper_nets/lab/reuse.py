"""Feature reuse in a dense net: who reads whose maps, how heavily, and what is lost when they may not.

A connection is named by its block (1, 2, …), its source and its target. Source 0 is what enters the block, source s the
maps of its layer s. Target l is layer l; the one after the last layer is what reads the whole block, the transition or
the classifier.
"""

import copy
from collections.abc import Iterator

import pandas
import torch
from torch import Tensor, nn
from torch.nn import functional

from paper_nets.lab.data import Data
from paper_nets.lab.probes import norm, recording
from paper_nets.lab.train import errors_and_losses
from paper_nets.nets import DenseBlock, DenseLayer, DenseNet, InputError


def connections(net: DenseNet, data: Data | None = None) -> pandas.DataFrame:
    """How heavily each target reads each source (DenseNet paper, Figure 5), and what each connection is worth.

    Args:
        data: cut each connection in turn, and measure what that adds on the test images, in evaluation mode.

    Returns:
        Columns: block, source, target, maps (of the source), weight (mean absolute value, as they stand in the first
        convolution of a layer or a transition, or in the classifier; the batch norm before it is left out, as in the
        paper); with data also error_added (in points of per cent) and loss_added (mean cross-entropy).

    Raises:
        InputError: for a net that is not dense.
    """
    net = copy.deepcopy(net).eval()
    found = list(_connections(net))
    rows = ({**where, "maps": w.shape[1], "weight": w.abs().mean().item()} for where, w in found)
    table = pandas.DataFrame(rows)

    def answers(x: Tensor) -> Iterator[Tensor]:
        yield net(x)
        maps, begun = net.stem(x), 0  # what a block reads is the same whatever is cut in it or after it
        for where, weights in found:
            stages = 2 * (where["block"] - 1)
            maps, begun = net.stages[begun:stages](maps), stages
            before = weights.clone()
            weights.zero_()
            yield net.head(net.stages[stages:](maps))
            weights.copy_(before)

    if not data:
        return table
    whole, *cuts = errors_and_losses(answers, data)
    return table.assign(**pandas.DataFrame(cuts - whole, columns=["error_added", "loss_added"]))


def cut(net: DenseNet, block: int, source: int, target: int) -> DenseNet:
    """A copy of a dense net in which this target does not see this source: its weights on it are 0.

    Raises:
        InputError: for a connection that there is not, and for a net that is not dense.
    """
    net, wanted = copy.deepcopy(net), {"block": block, "source": source, "target": target}
    for where, weights in _connections(net):
        if where == wanted:
            weights.zero_()
            return net
    counts = ", ".join(map(str, net.plan.blocks))
    raise InputError(
        f"There is no connection from {source!r} to {target!r} in block {block!r}; the blocks have {counts} layers, "
        f"a source lies before its target, and the last target of a block comes after its layers."
    )


def direct_gradients(net: DenseNet, x: Tensor, labels: Tensor) -> pandas.DataFrame:
    """How much of the gradient of the mean cross-entropy comes to each layer's maps straight from the end of its block,
    past all other layers; in the mode that the net is in, whose running statistics may move.

    Args:
        x: images (N, C, H, W).

    Returns:
        Columns: block, layer, total (norm of the gradient with respect to the layer's maps), direct (norm of the part
        that no other layer of the block has touched).

    Raises:
        InputError: for a net that is not dense, and for a memory-efficient one in training mode, whose layers do not
            compute one by one.
    """
    _check(net)
    made, ends, rows = [], [], []

    def note(_, module, __, output):
        (made if isinstance(module, DenseLayer) else ends).append(output)

    with recording(net, (DenseLayer, DenseBlock), note):
        loss = functional.cross_entropy(net(x), labels)
    gradients = torch.autograd.grad(loss, made + ends)
    totals, k = iter(gradients), net.plan.growth_rate
    for block, (at_end, (enter, _)) in enumerate(zip(gradients[len(made) :], net.plan.channels, strict=True), 1):
        _, *parts = at_end.split([enter, *[k] * net.plan.blocks[block - 1]], dim=1)
        for layer, part in enumerate(parts, 1):
            total, direct = norm(next(totals)), norm(part)
            rows.append({"block": block, "layer": layer, "total": total.item(), "direct": direct.item()})
    return pandas.DataFrame(rows)


def _check(net: nn.Module) -> None:
    if not isinstance(net, DenseNet):
        raise InputError(f"This net is a {type(net).__name__}; only a DenseNet has connections to read.")


def _connections(net: nn.Module) -> Iterator[tuple[dict, Tensor]]:
    """Every connection of a net, and the weights that it consists of, (out, in, …), as they stand in the net."""
    _check(net)
    readers = [*net.transitions, net.head]
    for block, (dense, reader, (enter, _)) in enumerate(zip(net.blocks, readers, net.plan.channels, strict=True), 1):
        for target, module in enumerate([*dense, reader], 1):
            weights = next(m.weight for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)).detach()
            parts = weights.split([enter, *[net.plan.growth_rate] * (target - 1)], dim=1)
            for source, part in enumerate(parts):
                yield {"block": block, "source": source, "target": target}, part
