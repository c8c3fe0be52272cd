"""Probes of the forward pass against closed forms and a second derivation."""

import pytest
import torch

from paper_nets import build
from paper_nets.lab import block_inputs, calibrated, layer_responses
from tests.small import small, some_images


@pytest.fixture
def images():
    return some_images()


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
    for other in (small(preact=True), build("densenet22_k4")):
        with pytest.raises(ValueError, match="before the convolution"):
            layer_responses(other)


def test_block_inputs_lead_from_block_to_block(images):
    net = small()
    found = list(block_inputs(net, images))
    assert [name for name, *_ in found] == [f"stages.stage{i}.block1" for i in (1, 2, 3)] and net.training
    net.eval()
    assert torch.equal(found[0][2], net.stem(images))
    assert torch.equal(found[1][2], found[0][1](found[0][2]))


def test_a_calibrated_net_has_the_statistics_of_the_images(images):
    net = small()
    net.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    made = calibrated(net, images)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert made.stem[1].momentum == net.stem[1].momentum == 0.1
    first = made.stem[0](images)
    assert torch.allclose(made.stem[1].running_mean, first.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(made.stem[1].running_var, first.var((0, 2, 3)), rtol=1e-4)
    # so in evaluation mode it answers as the net in training mode does, but for n / (n − 1) in the variance
    assert not made.training and torch.allclose(made(images), net.train()(images), rtol=0.1, atol=0.1)
