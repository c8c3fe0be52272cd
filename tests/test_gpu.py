"""On a GPU, where there is one: the same arithmetic as on the CPU, recorded steps, and resumption to the bit."""

from dataclasses import replace

import pytest
import torch

from paper_nets.lab.data import crop_and_flip, load, noise
from paper_nets.lab.train import DIGITS, Training, seeded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")
SHORT = replace(DIGITS, epochs=3)


def steps(training: Training) -> dict[str, torch.Tensor]:
    """The state after two steps, the second on a smaller batch."""
    for batch in torch.arange(100).split(64):
        training.step(batch, 0.01)
    return training.state()


@pytest.mark.parametrize("name", ["plain8", "resnet8", "densenet40_k12"])
def test_steps_are_those_of_the_cpu(name):
    data = noise(256)
    states = [
        steps(Training(seeded(name, data, 0), data, replace(DIGITS, schedule="step"), device))
        for device in ("cpu", "cuda")
    ]
    for key, there in states[0].items():
        if key.startswith("net.") and there.is_floating_point():
            assert (states[1][key] - there).norm() <= 1e-2 * there.norm() + 1e-5, key


@pytest.mark.parametrize("name", ["resnet8", "densenet40_k12"])
def test_a_recorded_step_is_the_step_itself(name):
    data = noise(256)
    recorded, itself = (Training(seeded(name, data, 0), data, DIGITS, "cuda") for _ in range(2))
    itself._recorded = None
    assert set(steps(recorded)) >= set(steps(itself))
    for key, there in itself.state().items():
        torch.testing.assert_close(recorded.state()[key], there, rtol=1e-5, atol=1e-6)
    assert len(recorded._recorded) == 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "dropout", "compiled"), [("resnet8", 0.0, False), ("resnet8", 0.0, True), ("densenet_bc10_k8", 0.2, False)]
)
def test_a_run_goes_on_to_the_bit(name, dropout, compiled, precision):
    data = load("digits")
    recipe = replace(SHORT, precision=precision, dropout=dropout)

    def training(seed: int) -> Training:
        return Training(seeded(name, data, seed, dropout=dropout or None), data, recipe, "cuda", compiled)

    unbroken, begun, goes_on = training(0), training(0), training(5)
    for _ in range(3):
        unbroken.epoch()
    begun.epoch()
    goes_on.restore(begun.state(), begun.rows)
    for _ in range(2):
        goes_on.epoch()
    ends = unbroken.state(), goes_on.state()
    assert ends[0].keys() == ends[1].keys() and all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_augmentation_is_that_of_the_cpu():
    images, chance = torch.rand(8, 3, 32, 32), torch.rand(8, 3)
    assert torch.equal(crop_and_flip(images.cuda(), chance.cuda()).cpu(), crop_and_flip(images, chance))
