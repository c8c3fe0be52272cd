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
from paper_nets.lab.gradients import check_layers_compute_apart
from paper_nets.lab.probes import recording
from paper_nets.nets import DenseBlock, DenseLayer, DenseNet, InputError
from paper_nets.nets.parts import evaluating


def connection_weights(net: DenseNet) -> pandas.DataFrame:
    """The mean absolute weight with which each target reads each source (DenseNet paper, Figure 5).

    Columns: block, source, target, weight. A weight is counted as it stands in the first convolution of a layer or a
    transition, or in the classifier; the scale of the batch norm before it is left out, as in the paper.
    Raises InputError for a net that is not dense.
    """
    return pandas.DataFrame([{**where, "weight": weights.abs().mean().item()} for where, weights in _connections(net)])


def cut(net: DenseNet, block: int, source: int, target: int) -> DenseNet:
    """A copy of a dense net in which this target does not see this source: its weights on it are 0.

    Raises InputError for a connection that there is not, and for a net that is not dense.
    """
    net, wanted = copy.deepcopy(net), {"block": block, "source": source, "target": target}
    for where, weights in _connections(net):
        if where == wanted:
            with torch.no_grad():
                weights.zero_()
            return net
    counts = ", ".join(map(str, net.plan.blocks))
    raise InputError(
        f"There is no connection from {source!r} to {target!r} in block {block!r}; the blocks have {counts} layers, "
        f"a source lies before its target, and the last target of a block comes after its layers."
    )


@torch.no_grad()
def cut_effects(net: DenseNet, data: Data) -> pandas.DataFrame:
    """What each connection is worth: the net with every one of them cut in turn, on the test images.

    Columns: block, source, target, test_error (per cent) and loss (mean cross-entropy), the first row, with block 0,
    being the whole net. The net is measured in evaluation mode, and left as it was.
    Raises InputError for a net that is not dense.
    """
    images, rows = data.normalise(data.test_images), []

    def measure(where: dict) -> None:
        logits = net(images)
        error = 100 * (logits.argmax(1) != data.test_labels).float().mean().item()
        rows.append({**where, "test_error": error, "loss": functional.cross_entropy(logits, data.test_labels).item()})

    with evaluating(net):
        measure({"block": 0, "source": 0, "target": 0})
        for where, weights in _connections(net):
            before = weights.clone()
            try:
                weights.zero_()
                measure(where)
            finally:
                weights.copy_(before)
    return pandas.DataFrame(rows)


def direct_gradients(net: DenseNet, x: Tensor, labels: Tensor) -> pandas.DataFrame:
    """How much of the gradient comes to each layer's maps straight from the end of its block, past all other layers.

    For images (N, C, H, W). Columns: block, layer, total (the norm of the gradient of the mean cross-entropy by the
    layer's maps), direct (the norm of the part that no other layer of the block has touched).
    The net stays in the mode that it is in; running statistics may move. Raises InputError for a net that is not dense,
    and for a memory-efficient one, whose layers do not compute one by one in training.
    """
    _check(net)
    check_layers_compute_apart(net)
    made, ends, rows = [], [], []

    def note(_, module, __, output):
        (made if isinstance(module, DenseLayer) else ends).append(output)

    with recording(net, (DenseLayer, DenseBlock), note):
        loss = functional.cross_entropy(net(x), labels)
    by_maps = torch.autograd.grad(loss, made + ends)
    at_the_end, k = by_maps[len(made) :], net.plan.growth_rate
    places = ((block, layer) for block, layers in enumerate(net.plan.blocks, 1) for layer in range(1, layers + 1))
    for (block, layer), gradient in zip(places, by_maps, strict=False):
        layers = net.plan.blocks[block - 1]
        first = at_the_end[block - 1].shape[1] - (layers - layer + 1) * k
        direct = at_the_end[block - 1][:, first : first + k]
        rows.append({"block": block, "layer": layer, "total": gradient.norm().item(), "direct": direct.norm().item()})
    return pandas.DataFrame(rows)


def _check(net: nn.Module) -> None:
    if not isinstance(net, DenseNet):
        raise InputError(f"This net is a {type(net).__name__}; only a DenseNet has connections to read.")


def _connections(net: nn.Module) -> Iterator[tuple[dict, Tensor]]:
    """Every connection of a net, and the weights that it consists of, (out, in, …), as they stand in the net."""
    _check(net)
    k, readers = net.plan.growth_rate, [*net.transitions, net.head]
    for block, (dense, reader, (enter, _)) in enumerate(zip(net.blocks, readers, net.plan.channels, strict=True), 1):
        for target, module in enumerate([*dense, reader], 1):
            weights = next(m.weight for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear))
            ends = [0, *(enter + k * source for source in range(target))]
            for source in range(target):
                yield (
                    {"block": block, "source": source, "target": target},
                    weights.detach()[:, ends[source] : ends[source + 1]],
                )
