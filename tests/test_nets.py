"""The blocks compute the papers' equations, in the papers' order, from the papers' initialisation."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, relu

from paper_nets import InputError, build
from paper_nets.nets import Block, DenseBlock, DenseNetPlan, ResNet, ResNetPlan


def normed(x, norm):
    """Batch norm in training mode, from its definition."""
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
    return norm.weight.view(1, -1, 1, 1) * (x - mean) / (var + norm.eps).sqrt() + norm.bias.view(1, -1, 1, 1)


def shake(module):
    """Scales and shifts that a mistake in their place would show."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 2)
            nn.init.uniform_(m.bias, -1, 1)


@pytest.mark.parametrize("residual", [True, False])
def test_block_computes_equation_1(residual):
    block = Block(ResNetPlan(residual=residual), 8, 8)
    shake(block)
    x = torch.randn(4, 8, 6, 6)
    conv1, norm1, _, conv2, norm2 = block.F
    inner = relu(normed(conv2d(x, conv1.weight, padding=1), norm1))
    outer = normed(conv2d(inner, conv2.weight, padding=1), norm2)
    torch.testing.assert_close(block(x), relu(outer + x if residual else outer))


def test_option_a_takes_every_second_pixel_and_adds_zeros():
    block = Block(ResNetPlan(shortcut="A"), 3, 5, stride=2)
    x = torch.randn(2, 3, 7, 7)
    padded = torch.zeros(2, 5, 4, 4)
    padded[:, :3] = x[:, :, ::2, ::2]
    assert torch.equal(block.W_s(x), padded)
    assert not list(block.W_s.parameters())


@pytest.mark.parametrize(("option", "same", "changing"), [("A", False, False), ("B", False, True), ("C", True, True)])
def test_where_each_option_projects(option, same, changing):
    plan = ResNetPlan(shortcut=option)
    for block, projects in ((Block(plan, 4, 4), same), (Block(plan, 4, 8, stride=2), changing)):
        assert bool(list(block.W_s.parameters())) == projects


def test_preactivation_has_no_relu_after_the_addition():
    block = Block(ResNetPlan(preact=True), 8, 8)
    shake(block)
    x = torch.randn(4, 8, 6, 6)
    norm1, _, conv1, norm2, _, conv2 = block.F
    inner = conv2d(relu(normed(x, norm1)), conv1.weight, padding=1)
    outer = conv2d(relu(normed(inner, norm2)), conv2.weight, padding=1)
    torch.testing.assert_close(block(x), x + outer)
    assert (block(x) < 0).any()


def test_preactivation_shares_its_first_activation_with_a_projection():
    block = Block(ResNetPlan(preact=True, shortcut="B"), 4, 8, stride=2)
    shake(block)
    x = torch.randn(4, 4, 6, 6)
    (norm1, _), (conv1, norm2, _, conv2), (projection,) = block.before, block.F, block.W_s
    active = relu(normed(x, norm1))
    inner = relu(normed(conv2d(active, conv1.weight, stride=2, padding=1), norm2))
    outer = conv2d(inner, conv2.weight, padding=1)
    torch.testing.assert_close(block(x), outer + conv2d(active, projection.weight, stride=2))


def test_dense_block_sees_all_that_came_before():
    block = DenseBlock(DenseNetPlan(growth_rate=3), c_in=4, layers=3)
    shake(block)
    x = torch.randn(2, 4, 5, 5)
    seen = x
    for layer in block:
        norm, _, conv = layer.H
        seen = torch.cat([seen, conv2d(relu(normed(seen, norm)), conv.weight, padding=1)], 1)
    torch.testing.assert_close(block(x), seen)
    assert torch.equal(block(x)[:, :4], x)


@pytest.mark.parametrize("name", ["plain20", "resnet56", "resnet50", "densenet_bc40_k12", "densenet121"])
def test_initialisation_is_he(name):
    net = build(name, init="fan_in")
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            wanted = math.sqrt(2 / (module.in_channels * module.kernel_size[0] ** 2))
            assert abs(module.weight.std().item() / wanted - 1) < 5 / math.sqrt(module.weight.numel())
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
        if isinstance(module, nn.Linear):
            assert (module.bias == 0).all()


@pytest.mark.parametrize("name", ["resnet20", "preact_resnet20", "resnet50", "densenet_bc22_k4", "densenet121"])
def test_modules_are_registered_in_the_order_of_the_forward_pass(name):
    net, called = build(name).eval(), []
    leaves = [m for m in net.modules() if not list(m.children()) and list(m.parameters())]
    for module in leaves:
        module.register_forward_hook(lambda module, inputs, output: called.append(module))
    side = 64 if net.plan.stem == "7x7" else 16
    net(torch.randn(1, 3, side, side))
    assert called == leaves


def test_one_flag_one_contrast():
    torch.manual_seed(3)
    plain = build("plain20")
    torch.manual_seed(3)
    residual = build("resnet20")
    for one, other in zip(plain.state_dict().values(), residual.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_number_is_no_name():
    with pytest.raises(InputError, match="There is no net '56'"):
        build(56)


def test_growth_rate_carries_the_stem_along():
    """2k feature maps enter the first block of a BC net (DenseNet paper, Section 3)."""
    assert build("densenet_bc40_k12", growth_rate=24).plan.channels == build("densenet_bc40_k24").plan.channels
    assert build("densenet22_k8").stem[0].out_channels == 16
    assert build("densenet121", stem_channels=10).stem[0].out_channels == 10


def test_any_sensible_net_trains_a_step():
    small = ResNet(ResNetPlan(blocks=(1, 2), width=3))
    for net in (small, build("densenet13_k1"), build("plain8", norm=False, width=1)):
        x = torch.randn(2, 3, 8, 8)
        net(x).sum().backward()
        assert all(p.grad is not None for p in net.parameters())
