"""Probes of the gradient against closed forms, finite differences, the chain rule and a second derivation."""

from itertools import combinations
from math import comb

import pytest
import torch
from torch import nn
from torch.nn import functional

from paper_nets import build
from paper_nets.lab import (
    Paths,
    calibrated,
    gradient_norms,
    gradient_similarity,
    jacobian,
    loss_along_gradient,
)
from paper_nets.nets import Block, ResNetPlan
from tests.small import small, some_images


def test_what_has_no_layers_or_blocks_to_measure_is_refused():
    efficient = build("densenet22_k4", memory_efficient=True)
    x, labels = torch.randn(2, 3, 8, 8), torch.arange(2)
    with pytest.raises(ValueError, match="This net is memory-efficient"):
        gradient_norms(efficient, x, labels)
    assert len(gradient_norms(efficient.eval(), x, labels)) == 22
    with pytest.raises(ValueError, match="This net is dense"):
        jacobian(efficient, x[0], by_block=True)


@pytest.fixture
def images():
    return some_images()


def test_gradient_norms_of_a_linear_net_have_a_closed_form():
    x, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 3, bias=False))
    first, last = net[0].weight, net[1].weight
    slope = (functional.softmax(x @ first.T @ last.T, dim=1) - functional.one_hot(labels, 3)) / 5
    measured = gradient_norms(net, x, labels)
    assert measured.signal.tolist() == pytest.approx([(slope @ last).norm().item(), slope.norm().item()], rel=1e-5)
    assert measured.gradient.tolist() == pytest.approx(
        [(last.T @ slope.T @ x).norm().item(), (slope.T @ x @ first.T).norm().item()], rel=1e-5
    )
    assert measured.weight.tolist() == pytest.approx([first.norm().item(), last.norm().item()])
    with torch.no_grad():
        last.mul_(1e-30)  # the squares of such gradients are 0 in float32
    assert gradient_norms(net, x, labels).signal.min() > 0


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


def test_gradient_norms_are_of_the_layers_that_images_pass_in_their_order(images):
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.unused, self.first = nn.Linear(64, 10), nn.Linear(1, 1), nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return self.last(self.first(x).flatten(1))

    assert gradient_norms(Other(), images, torch.arange(6)).layer.tolist() == ["first", "last"]


def test_gradient_norms_take_nets_of_others(images):
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.beside, self.last = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 1), nn.Linear(64, 10)
            self.relu = nn.ReLU()

        def forward(self, x):
            self.beside(x)  # thrown away
            x = self.first(x)
            return self.last(self.relu(x).flatten(1))

    net, labels = Other(), torch.arange(6)
    right = gradient_norms(net, images, labels)
    assert right.layer.tolist() == ["first", "last"]
    net.relu.inplace = True
    net.first.requires_grad_(False)
    assert gradient_norms(net, images, labels).equals(right)


class HalfSquare(nn.Module):
    """A net whose first logit is ½‖x‖², so that the gradient by x is x itself."""

    def forward(self, x):
        return x.flatten(1).square().sum(1, keepdim=True) / 2


def test_similarity_is_one_in_a_linear_net_and_has_a_closed_form_in_a_square():
    start, end = torch.randn(2, 5, 1, 3, 3).unbind(0)
    shares = [0.0, 0.1, 0.5, 1.0]
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 4))
    for factor in (1, 1e-12, 0):
        with torch.no_grad():
            net[1].weight.mul_(factor)
        linear = gradient_similarity(net, start, end, shares)
        assert linear.share.tolist() == shares
        assert linear.similarity.tolist() == pytest.approx([int(factor > 0)] * 4)
    square = gradient_similarity(HalfSquare(), start, end, shares)
    a, b = start.flatten(1).numpy(), end.flatten(1).numpy()
    for row in square.itertuples():
        moved = a + row.share * (b - a)
        cosine = (a * moved).sum(1) / (a**2).sum(1) ** 0.5 / (moved**2).sum(1) ** 0.5
        assert row.similarity == pytest.approx(cosine.mean(), abs=1e-6)


def test_one_step_is_what_sgd_does_and_leaves_no_trace(images):
    net, labels, rates = small().double(), torch.arange(6), [1e-9, 0.01, 0.3]
    images = images.double()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    measured = loss_along_gradient(net, images, labels, rates)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert (measured.change / measured.promised)[0] == pytest.approx(1, abs=1e-4)
    for row in measured.itertuples():
        other = small().double()
        optimiser = torch.optim.SGD(other.parameters(), row.rate)
        loss = functional.cross_entropy(other(images), labels)
        loss.backward()
        optimiser.step()
        after = functional.cross_entropy(other(images), labels)
        assert row.change == pytest.approx((after - loss).item(), rel=1e-6, abs=1e-12)


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
    assert torch.allclose(torch.linalg.svdvals(matrix), torch.ones(48))


def test_a_block_can_have_a_derivative_of_zero():
    """F(x) = −x makes y = 0 whatever x is: dy/dx = I + ∂F/∂x is not at least 1."""
    block = Block(ResNetPlan(preact=True, norm=False), 2, 2, activated=True)
    with torch.no_grad():
        for convolution, sign in ((block.F[0], 1.0), (block.F[-1], -1.0)):
            convolution.weight.zero_()
            convolution.bias.zero_()
            for channel in range(2):
                convolution.weight[channel, channel, 1, 1] = sign
    assert torch.linalg.svdvals(jacobian(block, torch.rand(2, 3, 3) + 0.1)).max() == 0


@pytest.mark.parametrize("changes", [{}, {"residual": False}, {"preact": True}])
def test_jacobians_of_the_blocks_multiply_to_that_of_all_of_them(images, changes):
    net = calibrated(small(**changes), images).double()
    product = None
    for step in jacobian(net, images[0].double(), by_block=True):
        product = step if product is None else step @ product
    whole = jacobian(net.stages, net.stem(images[:1].double())[0])
    assert whole.abs().max() > 0.1 and torch.allclose(product, whole)


@pytest.mark.parametrize("changes", [{}, {"preact": True}, {"preact": True, "shortcut": "B"}])
def test_all_paths_together_are_the_gradient(images, changes):
    net, labels = calibrated(small(**changes), images).double(), torch.arange(6)
    paths = Paths(net.train(), images.double(), labels)
    assert paths.blocks == 3 and net.training
    net.eval()  # as the paths are taken, whatever the net was in
    every = [paths.gradient(through) for n in range(4) for through in combinations(range(3), n)]
    assert len(every) == 8 and all(part.norm() > 0 for part in every)
    start = net.stem(images.double()).detach().requires_grad_()
    functional.cross_entropy(net.head(net.stages(start)), labels).backward()
    assert torch.allclose(sum(every), start.grad)


def test_the_path_without_f_is_that_of_a_net_without_f(images):
    """In pre-activation: with F taken away behind the forward pass, only the shortcuts are left."""
    net, labels = calibrated(small(preact=True), images).double(), torch.arange(6)
    direct = Paths(net, images.double(), labels).gradient([])
    start = net.stem(images.double()).detach().requires_grad_()
    y = start
    for stage in net.stages:
        for block in stage:
            y = block.F(y).detach() + block.W_s(y)
    functional.cross_entropy(net.head(y), labels).backward()
    assert torch.allclose(direct, start.grad)


def test_path_lengths_count_all_paths_and_share_out_the_whole(images):
    net, labels = calibrated(small(), images), torch.arange(6)
    measured = Paths(net, images, labels).lengths(samples=2)
    assert measured.paths.tolist() == [comb(3, n) for n in range(4)]
    paths = Paths(net, images, labels)
    norms = [[paths.gradient(c).norm().item() for c in combinations(range(3), n)] for n in range(4)]
    for row, found in zip(measured.itertuples(), norms, strict=True):
        assert min(found) * 0.999 <= row.gradient <= max(found) * 1.001
    many = Paths(net, images, labels).lengths(samples=300)
    assert many.gradient.tolist() == pytest.approx([sum(found) / len(found) for found in norms], rel=0.1)
    whole = sum(map(sum, norms))
    assert many.share.tolist() == pytest.approx([sum(found) / whole for found in norms], rel=0.1)
    spreads = [torch.tensor(found).std(correction=0).item() / 300**0.5 for found in norms]
    assert many.error.tolist() == pytest.approx(spreads, rel=0.15, abs=1e-6)
    assert measured.equals(Paths(net, images, labels).lengths(samples=2))
    assert len(net.stages[0][0].F._forward_hooks) == 0
    with torch.no_grad():
        net.head.fc1.weight.mul_(1e-24)  # the squares of such gradients are 0 in float32
    assert Paths(net, images, labels).lengths(samples=2).gradient.min() > 0


def test_bad_input_is_refused(images):
    with pytest.raises(ValueError, match="no residual blocks"):
        Paths(small(residual=False), images, torch.arange(6))
    with pytest.raises(ValueError, match="There is no block 3 in this net; its blocks are 0 to 2"):
        Paths(small(), images, torch.arange(6)).gradient([3])
    with pytest.raises(ValueError, match="no blocks or dense layers of paper_nets"):
        jacobian(nn.Sequential(nn.Conv2d(1, 1, 3)), images[0], by_block=True)
    with pytest.raises(ValueError, match="samples is 0; it must be a whole number of at least 1"):
        Paths(small(), images, torch.arange(6)).lengths(samples=0)


def test_a_failure_leaves_the_net_as_it_was(images):
    net, wrong = small(), torch.full((6,), 99)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for probe in (gradient_norms, lambda *args: loss_along_gradient(*args, rates=[0.1])):
        with pytest.raises(IndexError):
            probe(net, images, wrong)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("name", ["resnet20", "densenet22_k12"])
def test_the_influence_before_a_batch_norm_is_the_same_at_any_scale_of_the_weights(name):
    """The gradient is not: it falls as the weights grow. What makes nets with other initial weights comparable."""
    x, labels = torch.randn(16, 1, 8, 8), torch.arange(16) % 10
    net = build(name, in_channels=1)
    before = gradient_norms(net, x, labels).set_index("layer")
    scaled = [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and n != "stem.conv1"][:-1]
    with torch.no_grad():
        for n in scaled:
            net.get_submodule(n).weight.mul_(10)
    after = gradient_norms(net, x, labels).set_index("layer")
    ratios = after.loc[scaled] / before.loc[scaled]
    assert ratios.influence.to_numpy() == pytest.approx(1, rel=0.02)
    assert ratios.gradient.to_numpy() == pytest.approx(0.1, rel=0.02)
