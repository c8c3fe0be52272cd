"""Stacks that are asked for the identity, what a probe recovers, and the questions' checks."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from paper_nets import questions
from paper_nets.lab import calibrated, learn_identity, load, recovered, seeded
from paper_nets.lab.data import Data
from paper_nets.lab.identity import KINDS, _stack, task
from paper_nets.nets import Block, ResNetPlan


def test_a_stack_that_starts_at_zero_is_the_identity_from_the_start():
    first = next(learn_identity("zero_init", 3, 0.0, seed=0, steps=1))
    assert first.error.tolist() == [0.0] and first.residual.tolist() == [0.0]


def test_its_first_error_is_the_distance_of_the_target():
    x, target = task(0.3, seed=2)
    first = next(learn_identity("zero_init", 5, 0.3, seed=2, steps=1))
    assert first.error[0] == pytest.approx(((x - target).norm() / target.norm()).item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_a_block_is_compared_with_its_input(kind):
    """F as the blocks themselves compute it, seen from outside."""
    stack, (x, target) = _stack(kind, 3, seed=1), task(0.3, seed=1)
    seen, ratios = [], []
    for block in stack:
        block.F.register_forward_hook(lambda _, given, made: seen.append((given[0], made)))
    y = stack(x)
    for (given, made), out in zip(seen, [given for given, _ in seen[1:]] + [y], strict=True):
        added = made if kind == "residual" else out - given
        ratios.append((added.norm() / given.norm()).item())
    first = next(learn_identity(kind, 3, 0.3, seed=1, steps=1))
    assert first.residual[0] == pytest.approx(sum(ratios) / 3, rel=1e-4)
    assert first.error[0] == pytest.approx(((y - target).norm() / target.norm()).item(), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_and_says_so_every_ten_steps(kind):
    tables = list(learn_identity(kind, 2, 0.3, seed=0, steps=25))
    assert [len(table) for table in tables] == [1, 11, 21, 26]
    assert tables[-1].error.iloc[-1] < tables[-1].error.iloc[0]
    torch.manual_seed(3)
    again = list(learn_identity(kind, 2, 0.3, seed=0, steps=25))[-1]
    assert again.equals(tables[-1])
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dense", 2, 0.3, 0), "kind is 'dense'; it must be one of 'plain'"),
        (("plain", 0, 0.3, 0), "blocks is 0; it must be a whole number"),
        (("plain", 2, -1.0, 0), "distance is -1.0; it must be a number of at least 0"),
        (("plain", 2, float("nan"), 0), "distance is nan"),
    ],
)
def test_what_is_no_task_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        next(learn_identity(*arguments))


def test_a_probe_of_few_numbers_reads_random_sums_of_all():
    """By hand: the same sums of the same maps, for training and test images alike."""
    data, net = load("digits").subset(300), seeded("plain8", load("digits"), seed=0)
    found = recovered(net, data, numbers=32)
    ready = calibrated(net, data.normalise(data.train_images))
    maps = [ready.stem(data.normalise(images)).flatten(1) for images in (data.train_images, data.test_images)]
    sums = torch.randn(maps[0].shape[1], 32, generator=torch.Generator().manual_seed(0)) / maps[0].shape[1] ** 0.5
    train, test = (reading.detach() @ sums for reading in maps)
    weights = torch.linalg.solve(
        (train - train.mean(0)).T @ (train - train.mean(0)) + torch.eye(32),
        (train - train.mean(0)).T @ (2 * functional.one_hot(data.train_labels.long(), 10) - 1.0),
    )
    targets = 2 * functional.one_hot(data.train_labels.long(), 10) - 1.0
    right = ((test - train.mean(0)) @ weights + targets.mean(0)).argmax(1) == data.test_labels
    assert found.accuracy[0] == pytest.approx(100 * right.float().mean().item(), abs=0.6)
    assert found.accuracy[0] < recovered(net, data).accuracy[0]
    assert recovered(net, data, numbers=10**6).equals(recovered(net, data))
    with pytest.raises(ValueError, match="numbers is 0; it must be a whole number"):
        recovered(net, data, numbers=0)


def test_what_is_recovered_of_separable_and_of_erased_images():
    labels = torch.arange(60) % 2
    images = (40 + 160 * labels).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).to(torch.uint8).clone()
    images += torch.randint(0, 20, images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = Data("made", ("dark", "bright"), images, labels, images, labels)
    plan = ResNetPlan(residual=False, norm=False)
    net = nn.Sequential(Block(plan, 1, 1), Block(plan, 1, 1))
    for parameter in net[0].F.parameters():
        nn.init.zeros_(parameter)
    found = recovered(net, data)
    assert found.block.tolist() == [0, 1]
    assert found.accuracy.tolist() == [100, 50]
    assert found.similarity[1] == 0  # maps of nothing but zeros have no direction


def test_recovery_leaves_the_net_as_it_was():
    digits = load("digits")
    net = seeded("resnet8", digits, 0)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = recovered(net, digits)
    assert found.accuracy.between(90, 100).all() and found.similarity.between(0, 1).all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items()) and net.training


def test_an_answer_is_told_what_is_off_about_it():
    assert questions.option_a(...).right is None
    told = questions.option_a(lambda x: x[:, :, ::2, ::2])
    assert told.right is False and "(2, 16, 4, 4)" in told.message and told._repr_markdown_().startswith("✗")
    assert "every second pixel" in questions.option_a(lambda x: torch.zeros(2, 32, 4, 4)).message
    assert "TypeError" in questions.option_a(3).message
    assert "batch norm" in questions.option_b_parameters(10_240).message
    assert "1×1 convolution" in questions.option_b_parameters(7).message
    assert questions.option_b_parameters(10_624).right
    assert "nothing" in questions.make_identity(lambda block: None).message
    both = questions.make_identity(lambda block: [nn.init.zeros_(p) for p in block.F[-1].parameters()] and None)
    assert both.right  # the shift is 0 already, so only one tensor changes
    three = questions.make_identity(lambda block: [nn.init.zeros_(p) for p in block.F.parameters()] and None)
    assert "3 tensors" in three.message or "4 tensors" in three.message
