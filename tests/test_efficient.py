"""The memory-efficient dense block computes what the plain one does, and keeps less."""

import pytest
import torch
from torch.nn import functional

from paper_nets import build, cost
from paper_nets.nets import DenseNet, DenseNetPlan


def twins(dtype, **changes):
    """A plain net and an efficient one of the same weights, batch norms and ReLUs far from their beginnings."""
    torch.manual_seed(0)
    plain = build("densenet_bc22_k4", **changes).to(dtype)
    for module in plain.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, -1, 1)  # negative and small scales too
            torch.nn.init.uniform_(module.bias, -1, 1)
    efficient = build("densenet_bc22_k4", memory_efficient=True, **changes).to(dtype)
    efficient.load_state_dict(plain.state_dict())
    return plain, efficient


@pytest.mark.parametrize(
    "changes", [{}, {"bottleneck": False}, {"stem": "7x7", "compression": 0.7}, {"blocks": (1, 1), "growth_rate": 8}]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_gradients_and_statistics_are_the_plain_nets(changes, layout):
    nets = twins(torch.float64, **changes)
    images = 3 * torch.randn(5, 3, 40, 40, dtype=torch.float64) + 1
    labels = torch.randint(10, (5,))
    found = []
    for net in nets:
        x = images.clone(memory_format=layout).requires_grad_()
        for _ in range(2):  # twice, so that the running statistics of the first step are at stake too
            net.zero_grad()
            x.grad = None
            functional.cross_entropy(net.to(memory_format=layout)(x), labels).backward()
        gradients = {name: p.grad for name, p in net.named_parameters()}
        found.append({"images": x.grad, **gradients, **dict(net.named_buffers()), "output": net.eval()(images)})
    plain, efficient = found
    assert plain.keys() == efficient.keys()
    for name in plain:
        assert torch.allclose(plain[name].double(), efficient[name].double(), rtol=1e-9, atol=1e-11), name


def test_the_gradient_is_that_of_finite_differences():
    torch.manual_seed(0)
    net = DenseNet(DenseNetPlan(blocks=(3,), growth_rate=2, bottleneck=True, memory_efficient=True)).double()
    block = net.stages[0]
    x = torch.randn(3, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: block(x), (x, *block.parameters()))


def test_evaluation_and_no_grad_take_the_plain_way(monkeypatch):
    plain, efficient = twins(torch.float32)
    monkeypatch.setattr("paper_nets.nets.efficient.efficient_block", lambda *_: pytest.fail("the efficient way"))
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(plain(x), efficient(x))
    assert torch.equal(plain.eval()(x), efficient.eval()(x))


def test_in_bfloat16_it_is_as_near_to_the_truth_as_the_plain_block():
    """Against double precision: gradients and running statistics, whose means are far from 0."""
    exact, _ = twins(torch.float64)
    errors = []
    images, labels = 3 * torch.randn(16, 3, 16, 16) + 5, torch.randint(10, (16,))
    functional.cross_entropy(exact(images.double()), labels).backward()
    for net in twins(torch.float32):
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(net(images).float(), labels)
        loss.backward()
        gradient, truth = (torch.cat([p.grad.flatten().double() for p in n.parameters()]) for n in (net, exact))
        variances = [
            (b.double() / t - 1).abs().max()
            for (name, b), t in zip(net.named_buffers(), exact.buffers(), strict=True)
            if name.endswith("running_var")
        ]
        errors.append(((gradient - truth).norm() / truth.norm(), max(variances)))
    for plain, efficient in zip(*errors, strict=True):
        assert efficient < 1.3 * plain


def test_memory_grows_with_the_maps_and_not_with_their_uses():
    """Twice the layers: the plain block keeps almost four times as much, the efficient one twice."""

    def kept(layers, efficient):
        changes = {"blocks": (layers,), "growth_rate": 12, "bottleneck": True, "memory_efficient": efficient}
        name = next(stage for stage in cost("densenet_bc22_k4", **changes).stages if stage.name == "block 1")
        return name.cost.activation_bytes

    assert 3.4 < kept(64, False) / kept(32, False) < 4
    assert kept(64, True) / kept(32, True) == 2
    assert kept(32, True) < kept(32, False) / 10


@pytest.mark.parametrize("changes", [{"norm": False}, {"dropout": 0.2}])
def test_what_it_does_not_do_is_refused(changes):
    with pytest.raises(ValueError, match="takes batch norm and no dropout"):
        build("densenet_bc22_k4", memory_efficient=True, **changes)
