"""Probes against closed forms, finite differences and a second derivation."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from paper_nets import build
from paper_nets.lab.probes import block_inputs, gradient_norms, jacobian, layer_responses, singular_values
from paper_nets.nets import Block, ResNetPlan


@pytest.fixture
def images():
    return torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def small(**changes):
    torch.manual_seed(0)
    return build("resnet8", in_channels=1, width=4, **changes)


def test_gradient_norms_of_a_linear_net_have_a_closed_form():
    x, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 3, bias=False))
    first, last = net[0].weight, net[1].weight
    slope = (functional.softmax(x @ first.T @ last.T, dim=1) - functional.one_hot(labels, 3)) / 5
    measured = gradient_norms(net, x, labels)
    assert measured.gradient.tolist() == pytest.approx(
        [(last.T @ slope.T @ x).norm().item(), (slope.T @ x @ first.T).norm().item()], rel=1e-5
    )
    assert measured.weight.tolist() == pytest.approx([first.norm().item(), last.norm().item()])


def test_gradient_norms_are_those_of_backward_and_leave_no_trace(images):
    net, labels = small(), torch.arange(6)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    measured = gradient_norms(net, images, labels)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    functional.cross_entropy(net(images), labels).backward()
    modules = dict(net.named_modules())
    assert len(measured) == 8
    for row in measured.itertuples():
        assert row.gradient == pytest.approx(modules[row.layer].weight.grad.norm().item(), rel=1e-5)


def test_responses_are_what_each_convolution_answers(images):
    net = small()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    measured, answers = layer_responses(net).set_index("layer").response, {}
    for name, module in net.named_modules():
        if name in measured.index:
            module.register_forward_hook(lambda _, __, y, name=name: answers.update({name: y.std().item()}))
    net(images)
    assert len(answers) == 7 and measured.to_dict() == pytest.approx(answers, rel=2e-2)
    with pytest.raises(ValueError, match="no batch norm"):
        layer_responses(small(norm=False))


def test_block_inputs_lead_from_block_to_block(images):
    net = small()
    found = block_inputs(net, images)
    assert [name for name, *_ in found] == ["stages.0.0", "stages.1.0", "stages.2.0"] and net.training
    net.eval()
    assert torch.equal(found[0][2], net.stem(images))
    assert torch.equal(found[1][2], found[0][1](found[0][2]))


def test_a_linear_map_is_its_own_jacobian():
    layer = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    assert torch.allclose(jacobian(layer, torch.randn(3, 2, 2)), layer[1].weight)


@pytest.mark.parametrize("changes", [{}, {"residual": False}, {"preact": True}])
def test_the_jacobian_of_a_block_agrees_with_finite_differences(changes):
    torch.manual_seed(0)
    block = Block(ResNetPlan(**changes), 3, 3).double()
    x = torch.randn(3, 4, 4, dtype=torch.float64)
    columns = []
    for i in range(x.numel()):
        step = torch.zeros(x.numel(), dtype=torch.float64)
        step[i] = 1e-6
        step = step.view_as(x)
        ahead, behind = (block.eval()((x + sign * step)[None]).flatten() for sign in (1, -1))
        columns.append((ahead - behind) / 2e-6)
    assert torch.allclose(jacobian(block.train(), x), torch.stack(columns, dim=1), atol=1e-6)
    assert block.training


def test_where_f_is_dead_the_jacobian_is_the_identity():
    block = Block(ResNetPlan(preact=True), 3, 3)
    with torch.no_grad():
        block.F[-1].weight.zero_()
    matrix = jacobian(block, torch.randn(3, 4, 4))
    assert torch.equal(matrix, torch.eye(48))
    assert torch.allclose(singular_values(matrix), torch.ones(48))


def test_a_block_can_have_a_derivative_of_zero():
    """F(x) = −x makes y = 0 whatever x is: dy/dx = I + ∂F/∂x is not at least 1."""
    block = Block(ResNetPlan(preact=True, norm=False), 2, 2, activated=True)
    with torch.no_grad():
        for convolution, sign in ((block.F[0], 1.0), (block.F[-1], -1.0)):
            convolution.weight.zero_()
            convolution.bias.zero_()
            for channel in range(2):
                convolution.weight[channel, channel, 1, 1] = sign
    assert singular_values(jacobian(block, torch.rand(2, 3, 3) + 0.1)).max() == 0
