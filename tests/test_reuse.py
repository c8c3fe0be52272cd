"""Who reads whose maps in a dense net: against slices taken by hand, and against nets whose answer is known."""

import pytest
import torch
from torch.nn import functional

from paper_nets import build
from paper_nets.lab import block_inputs, connections, cut, direct_gradients, load
from paper_nets.lab.train import errors_and_losses
from tests.small import some_images


def dense(**changes):
    torch.manual_seed(0)
    return build("densenet_bc22_k12", in_channels=1, growth_rate=4, blocks=(2, 3), **changes)


def test_every_connection_is_read_from_its_place():
    """Block 1: 8 maps in, 2 layers of 4; the transition halves 16 to 8; block 2: 8 in, 3 layers of 4, 20 out."""
    net = dense()
    table = connections(net).set_index(["block", "source", "target"]).weight
    assert len(table) == (1 + 2 + 3) + (1 + 2 + 3 + 4)
    second = net.blocks[0][1].H[2].weight
    assert table[1, 0, 2] == pytest.approx(second[:, :8].abs().mean().item())
    assert table[1, 1, 2] == pytest.approx(second[:, 8:].abs().mean().item())
    assert table[1, 2, 3] == pytest.approx(net.transitions[0][2].weight[:, 12:].abs().mean().item())
    assert table[2, 3, 4] == pytest.approx(net.head[-1].weight[:, 16:].abs().mean().item())


def test_a_cut_connection_leaves_its_target_blind_to_its_source():
    x, net = some_images(), dense().eval()
    layer = cut(net, block=2, source=1, target=3).blocks[1][2]
    maps = [torch.randn(2, c, 4, 4) for c in (8, 4, 4)]
    changed = [maps[0], torch.randn(2, 4, 4, 4), maps[2]]
    assert torch.equal(layer(maps), layer(changed))
    assert not torch.equal(net.blocks[1][2](maps), net.blocks[1][2](changed))
    assert not torch.equal(cut(net, 2, 1, 3)(x), net(x)) and torch.equal(net(x), dense().eval()(x))


def error_of(net, data):
    with torch.no_grad():
        wrong = net.eval()(data.normalise(data.test_images)).argmax(1) != data.test_labels
    return 100 * wrong.double().mean().item()


def test_effects_are_those_of_the_cut_nets():
    data, net = load("digits"), dense()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    effects = connections(net, data)
    ((error, loss),) = errors_and_losses(lambda x: [dense().eval()(x)], data)
    assert net.training and all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert len(effects) == 16 and effects.weight.equals(connections(net).weight)
    for row in effects.iloc[[0, 7, 15]].itertuples():
        left = cut(net, row.block, row.source, row.target)
        assert row.error_added == pytest.approx(error_of(left, data) - error)
        with torch.no_grad():
            logits = left.eval()(data.normalise(data.test_images))
        assert row.loss_added == pytest.approx(
            functional.cross_entropy(logits, data.test_labels).item() - loss, abs=1e-5
        )


def test_a_connection_without_weight_is_worth_nothing():
    net = cut(dense(), block=1, source=1, target=2)
    effects = connections(net, load("digits")).set_index(["block", "source", "target"]).loss_added
    assert effects[1, 1, 2] == 0 != effects[1, 0, 2]


def test_the_last_layer_gets_its_gradient_directly_and_the_first_one_as_two_derivations_say():
    net, x, labels = dense().eval(), some_images(), torch.arange(6)
    table = direct_gradients(net, x, labels).set_index(["block", "layer"])
    for last in ((1, 2), (2, 3)):
        assert table.direct[last] == pytest.approx(table.total[last])
    # Layer 1 of block 2, whose later readers are held at what they were: what still comes, comes directly.
    with torch.no_grad():
        given = [x0 for name, _, x0 in block_inputs(net, x)]
    x0, x1 = given[2], net.blocks[1][0]([given[2]]).detach().requires_grad_()
    x2 = net.blocks[1][1]([x0, x1.detach()]).detach()
    x3 = net.blocks[1][2]([x0, x1.detach(), x2]).detach()
    loss = functional.cross_entropy(net.head(torch.cat([x0, x1, x2, x3], dim=1)), labels)
    assert torch.autograd.grad(loss, x1)[0].norm().item() == pytest.approx(table.direct[2, 1], rel=1e-4)
    assert table.total[2, 1] != pytest.approx(table.direct[2, 1], rel=1e-3)


def test_what_is_no_dense_net_and_what_is_no_connection_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"This net is a ResNet; only a DenseNet has connections"):
        connections(build("resnet8"))
    with pytest.raises(ValueError, match=r"This net is memory-efficient"):
        direct_gradients(build("densenet22_k4", memory_efficient=True), torch.zeros(2, 3, 8, 8), torch.arange(2))
    with pytest.raises(ValueError, match=r"There is no connection from 3 to 2 in block 1; the blocks have 2, 3 layers"):
        cut(dense(), 1, 3, 2)


def test_dense_layers_read_all_before_them():
    found = list(block_inputs(dense(), some_images()))
    assert [given.shape[1] for _, _, given in found] == [8, 12, 8, 12, 16]
    assert torch.equal(found[1][2][:, :8], found[0][2])
