"""Nets with blocks taken out or swapped, against forward passes written out by hand."""

import pytest
import torch

from paper_nets import build
from paper_nets.lab import lesioned, load, seeded
from paper_nets.lab.train import errors_and_losses
from tests.small import small, some_images


@pytest.fixture
def images():
    return some_images()


def logits(net, blocks, x):
    y = net.stem(x)
    for block in blocks:
        y = block(y)
    return net.head(y)


@pytest.mark.parametrize("name", ["resnet14", "plain14", "preact_resnet14"])
def test_a_block_that_keeps_its_dimensions_is_as_if_it_were_not_there(name, images):
    """What it reads is not negative behind a ReLU, so σ(x) = x, and without F nothing happens to it."""
    net = small(name).eval()
    blocks = [block for stage in net.stages for block in stage]
    for gone in (0, 1, 3):
        left = logits(net, blocks[:gone] + blocks[gone + 1 :], images)
        assert torch.equal(lesioned(net, [gone + 1])(images), left)
        assert not torch.equal(left, net(images))
    assert torch.equal(lesioned(net, [2, 4])(images), logits(net, [*blocks[:1], blocks[2], *blocks[4:]], images))


def test_maps_are_halved_wherever_a_bottleneck_halves_them():
    for stride_in in ("1x1", "3x3"):
        net = lesioned(build("plain20", block="bottleneck", stride_in=stride_in), [4])
        assert net.stages[:2](net.stem(torch.zeros(1, 3, 32, 32))).shape == (1, 128, 16, 16)


@pytest.mark.parametrize("name", ["resnet14", "plain14"])
def test_a_block_that_changes_dimensions_leaves_every_second_pixel_and_zeros(name, images):
    net = small(name).eval()
    blocks = [block for stage in net.stages for block in stage]
    y = blocks[1](blocks[0](net.stem(images)))
    y = torch.cat([y[:, :, ::2, ::2], torch.zeros(6, 4, 4, 4)], dim=1)
    for block in blocks[3:]:
        y = block(y)
    assert torch.equal(lesioned(net, [3])(images), net.head(y))


def test_the_net_itself_stays_whole(images):
    net = small("resnet20").eval()
    before = net(images)
    lesioned(net, range(1, 10))
    lesioned(net, swaps=1)
    assert torch.equal(net(images), before) and torch.equal(lesioned(net, [])(images), before)
    assert torch.equal(lesioned(net, swaps=0)(images), before)


def test_swaps_keep_all_blocks_and_the_first_in_its_place(images):
    net = small("resnet20").eval()  # three blocks a stage: one pair in each can change places
    assert not torch.equal(lesioned(net, swaps=1)(images), net(images))
    done = lesioned(net, swaps=3)
    blocks = [block for stage in net.stages for block in stage]
    order = [0, 2, 1, 3, 5, 4, 6, 8, 7]
    assert torch.equal(done(images), logits(net, [blocks[i] for i in order], images))
    with pytest.raises(ValueError, match="swaps is 4; this net has 3 pairs of blocks that can change places"):
        lesioned(net, swaps=4)
    # of a net that has lost a block the others change places
    order = [0, 3, 5, 4, 6, 8, 7]
    assert torch.equal(lesioned(net, [2, 3], swaps=2)(images), logits(net, [blocks[i] for i in order], images))


def test_twice_the_same_is_once(images):
    net = small("resnet14").eval()
    assert torch.equal(lesioned(net, [1, 1])(images), lesioned(net, [1])(images))
    # a net that has lost one counts those that are left
    assert torch.equal(lesioned(lesioned(net, [1]), [1])(images), lesioned(net, [1, 2])(images))


def test_no_such_block():
    with pytest.raises(ValueError, match="no plain or residual blocks"):
        lesioned(build("densenet10_k4"), [1])
    with pytest.raises(ValueError, match="There is no block 0 in this net; its blocks are 1 to 6"):
        lesioned(small("resnet14").eval(), [0])


def test_the_error_is_the_share_of_wrong_answers():
    digits = load("digits")
    net = seeded("resnet8", digits, 0).eval()
    mean, std = digits.mean_and_std
    wrong = sum(
        net((image[None] - mean) / std).argmax().item() != label
        for image, label in zip(digits.test_images, digits.test_labels.tolist(), strict=True)
    )
    assert errors_and_losses(lambda x: [net(x)], digits)[0, 0] == pytest.approx(
        100 * wrong / len(digits.test_labels), abs=0.01
    )
