"""Data, the training loop, and the recorded runs."""

import io
import itertools
import json
import os
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from unicodedata import normalize

import numpy
import pandas
import pytest
import torch
from joblib import cpu_count
from joblib.externals.loky.backend import context
from PIL import Image, JpegImagePlugin
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR
from torchvision import datasets

from paper_nets import build, published
from paper_nets.__main__ import _machine, main
from paper_nets.lab import (
    DIGITS,
    Recipe,
    comparison,
    load,
    paper_ends,
    record,
    recorded,
    seeded,
    train,
    train_each,
)
from paper_nets.lab.data import CIFAR10_FINGERPRINT, crop_and_flip
from paper_nets.lab.speed import kind_of
from paper_nets.lab.train import (
    DENSENET,
    RESNET,
    Training,
    batches_of,
    build_for_training,
    default_recipe,
    iterations_per_epoch,
    threads_for,
)
from paper_nets.nets.parts import InputError

SHORT = replace(DIGITS, epochs=2)
# Of the images themselves, which are not here.
PHOTOGRAPHS = {"cifar10": CIFAR10_FINGERPRINT, "cifar10_5000": "501e7e3279ecf09e"}
LONG = record.RECORDED / "resnet56-cifar10-15epochs-seed0" / "curve.csv"


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_digits_are_split_once_and_for_all(digits):
    from sklearn.datasets import load_digits

    assert digits.shape == (1, 8, 8) and len(digits.train_images) == 1437 and len(digits.test_images) == 360
    everything = torch.cat([digits.train_images, digits.test_images]).flatten(1)
    original = torch.from_numpy(load_digits().data) * 255 / 16
    assert everything.float().sum(0).tolist() == original.to(torch.uint8).float().sum(0).tolist()
    assert torch.equal(load("digits").test_labels, digits.test_labels)
    assert digits.test_labels.bincount().min() >= 34


def test_a_folder_becomes_data(tmp_path):
    colours = {"blue": (0, 0, 255), "red": (255, 0, 0)}
    for split, count in (("train", 3), ("test", 1)):
        for name, colour in colours.items():
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (40 + i, 30), colour).save(tmp_path / split / name / f"{i}.{'png' if i else 'jpg'}")
    data = load(str(tmp_path), side=12)
    assert data.classes == ("blue", "red") and data.shape == (3, 12, 12)
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1] and len(data.test_images) == 2
    assert data.train_images[-1, :, 5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("fit", "row", "words"),
    [
        ("squash", [0] * 2 + [255] * 4 + [0] * 2, "squashed; fit crop or pad keeps their shape"),
        ("crop", [255] * 8, "cut to the square in their middle"),
        ("pad", [0] * 2 + [255] * 4 + [0] * 2, "made square by black bars"),
    ],
)
def test_what_is_not_square_is_made_so_as_asked_and_told_of(fit, row, words, tmp_path):
    """A white square in the middle of a black picture that is twice as wide as it is high."""
    wide = Image.new("RGB", (160, 80))
    wide.paste("white", (40, 0, 120, 80))
    save_in_two_classes(tmp_path, "ab", lambda split, name: wide if name == "b" else Image.new("RGB", (80, 80)))
    data = load(tmp_path, side=8, fit=fit)
    assert data.train_images[1, 0, 4].tolist() == pytest.approx(row, abs=30)
    assert (data.train_images[1, 0, 0] > 200).any() == (fit != "pad")
    assert data.notes == (f"2 of 4 pictures are not square; they are {words}.",)
    settings = record.settings_of("plain8", data, SHORT)
    assert settings.get("fit", "squash") == fit
    assert ("--fit crop" in record.Run(tmp_path, settings, [{"threads": 1}], None).command) == (fit == "crop")


def test_a_large_jpeg_is_decoded_in_part(tmp_path, monkeypatch):
    """What is seen is the same, without the memory of all its pixels; smaller ones keep their bits."""
    drafted, draft = [], JpegImagePlugin.JpegImageFile.draft

    def watched(image, *asked):
        draft(image, *asked)
        drafted.append(image.size)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", watched)
    large = Image.new("RGB", (1600, 1200), "red")
    large.paste("blue", (0, 600, 1600, 1200))
    for split, name in itertools.product(("train", "test"), "ab"):
        (tmp_path / split / name).mkdir(parents=True)
        large.save(tmp_path / split / name / "0.jpg", quality=95)
    small = load(tmp_path, side=16)
    assert not drafted
    monkeypatch.setattr("paper_nets.lab.data.LARGE", 1_000_000)
    assert (load(tmp_path, side=16).train_images.int() - small.train_images.int()).abs().max() <= 24
    assert drafted == [(200, 150)] * 4
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)
    with pytest.raises(InputError, match="0.jpg cannot be read as an image, or is too large; remove"):
        load(tmp_path, side=16)


def test_pictures_in_deeper_folders_and_without_endings_are_read_and_the_rest_is_told_of(tmp_path):
    root = tmp_path / "pets"
    for place in ("Train/cat/2024/1.png", "Train/cat/2.0", "Train/dog/3", "val/cat/a/b/1.png", "val/dog/1.png"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(root / place, format="PNG")
    for place in ("Train/cat/notes.txt", "Train/cat/more.zip", "Train/labels.csv", "val/dog/4", "Train/.a/x.txt"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"no picture")
    data = load(root, side=8)
    assert data.train_labels.tolist() == [0, 0, 1] and data.test_labels.tolist() == [0, 1]
    assert sorted(data.notes[0].split("first): ")[1][:-1].split(", ")) == [
        "1 .csv",
        "1 .txt",
        "1 .zip",
        "1 without an ending",
    ]
    (root / "Train/dog/3").unlink()
    with pytest.raises(InputError, match=r"dog holds no images, but other files \(1 .*; it needs 1 or more"):
        load(root)


def test_a_name_in_two_forms_of_unicode_is_one_class(tmp_path):
    """Windows writes 개 in one letter, a Mac may write it in two, and both look alike."""
    for split, form in (("train", "NFC"), ("test", "NFD")):
        for name in ("개", "고양이"):
            (tmp_path / split / normalize(form, name)).mkdir(parents=True)
            Image.new("RGB", (9, 9)).save(tmp_path / split / normalize(form, name) / "1.png")
    data = load(tmp_path, side=8)
    assert data.classes == ("개", "고양이") and data.train_labels.tolist() == data.test_labels.tolist() == [0, 1]


def test_one_folder_of_classes_is_split_always_the_same(tmp_path):
    chance = numpy.random.default_rng(0)
    for name, count in (("cat", 20), ("dog", 2)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(count):
            pixels = chance.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    data = load(tmp_path / "pets", side=8)
    assert data.test_labels.bincount().tolist() == [3, 1] and data.train_labels.bincount().tolist() == [17, 1]
    assert load(tmp_path / "pets", side=8).fingerprint == data.fingerprint
    assert not {image.numpy().tobytes() for image in data.train_images} & {
        x.numpy().tobytes() for x in data.test_images
    }
    assert data.notes == ("No folders train and test: a fifth of each class of cat, dog is kept to test on.",)
    (tmp_path / "pets/dog/0.png").unlink()
    with pytest.raises(InputError, match="dog holds one image; it needs 2 or more, as PNG"):
        load(tmp_path / "pets", side=8)


def test_pictures_of_deep_grey_and_turned_ones_are_read_as_they_are_meant(tmp_path):
    ramp = numpy.linspace(0, 65535, 64 * 64).reshape(64, 64)
    turned = numpy.zeros((64, 64, 3), dtype=numpy.uint8)
    turned[:, :32] = 255  # bright on the left; turned upright (orientation 6), it is bright above
    for split in ("train", "test"):
        for name in ("deep", "turned"):
            (tmp_path / split / name).mkdir(parents=True)
        Image.fromarray(ramp.astype(numpy.uint16)).save(tmp_path / split / "deep" / "0.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(turned).save(tmp_path / split / "turned" / "0.jpg", exif=exif)
    data = load(str(tmp_path), side=16)
    deep, upright = data.train_images.float()
    assert deep.mean().item() == pytest.approx(127, abs=2)
    assert upright[:, :6].mean() > 240 and upright[:, 10:].mean() < 15


def save_in_two_classes(root, names, picture):
    """The pictures that `picture(split, name)` makes, one for each class and split."""
    for split in ("train", "test"):
        for name in names:
            (root / split / name).mkdir(parents=True, exist_ok=True)
            picture(split, name).save(root / split / name / "0.tiff")


@pytest.mark.parametrize(
    ("most", "kind", "scale"),
    [(65535, "uint16", 65535), (4095, "uint16", 4095), (2600, "uint16", 4095), (200, "int32", 255)]
    + [(0.8, "float32", 1), (1000, "float32", 1023)],
)
def test_deep_grey_is_scaled_by_what_the_set_uses(most, kind, scale, tmp_path):
    """As X-rays come, 12 bits in files of 16; the brightest picture is among those to test on."""
    ramp = numpy.linspace(0, 1, 32 * 32).reshape(32, 32)
    share = {"train": 0.5, "test": 1}
    save_in_two_classes(tmp_path, "ab", lambda split, _: Image.fromarray((ramp * most * share[split]).astype(kind)))
    data = load(tmp_path, side=32)
    for images, split in ((data.train_images, "train"), (data.test_images, "test")):
        assert (images[0, 0].numpy() - 255 * ramp * most * share[split] / scale).round() == pytest.approx(0, abs=1)
        assert len(images.unique()) > 80
    (note,) = data.notes
    assert note.endswith(f"has values up to {most:,}; all pictures with it are divided by {scale:,}.")


def test_deep_pictures_that_would_lose_their_content_are_refused(tmp_path):
    grey = numpy.ones((8, 8), dtype=numpy.float32)
    for wrong, words in ((-1, "has values below 0"), (numpy.nan, "no numbers"), (numpy.inf, "no numbers")):
        save_in_two_classes(tmp_path, "ab", lambda *_, wrong=wrong: Image.fromarray(grey * wrong))
        with pytest.raises(InputError, match=words):
            load(tmp_path)
    save_in_two_classes(tmp_path, "ab", lambda *_: Image.new("RGB", (8, 8)))
    Image.new("L", (8, 8)).save(tmp_path / "test/a/0.tiff", save_all=True, append_images=[Image.new("L", (8, 8))] * 2)
    assert load(tmp_path).notes == ("1 of 4 files hold several pictures each, of which the first is read.",)
    for most, refused in ((4095, True), (65535, False)):
        pixels = torch.full((3, 8, 8), most, dtype=torch.uint16).numpy().astype(">u2")
        rows = b"".join(b"\0" + row.tobytes() for row in pixels.transpose(1, 2, 0))
        parts = [
            (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        ]
        packed = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
        (tmp_path / "train" / "a" / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
        if refused:
            with pytest.raises(InputError, match="16 bits of colour use only the lower ones; convert them"):
                load(tmp_path)
        else:
            assert load(tmp_path).train_images.max() == 255


def test_a_single_pixel_of_a_single_image_has_no_spread(digits):
    small = replace(
        digits, train_images=digits.train_images[..., ::2, ::2], test_images=digits.test_images[..., ::2, ::2]
    )
    with pytest.raises(ValueError, match="batch is 1, and the net shrinks these images to one pixel"):
        Training(seeded("plain8", small, 0), small, replace(SHORT, batch=1))
    for fine in (
        replace(digits, train_images=digits.train_images[..., :6, :6], test_images=digits.test_images[..., :6, :6]),
        digits,
    ):
        Training(seeded("plain8", fine, 0), fine, replace(SHORT, batch=1))
    Training(seeded("plain8", small, 0, norm=False), small, replace(SHORT, batch=1))


def test_images_come_in_one_order_wherever_they_were_read_from(tmp_path):
    """Under other file names, as when a download is unpacked in another way, the same images are the same data."""
    chance = numpy.random.default_rng(0)
    pictures = {
        (split, name, i): chance.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
        for split in ("train", "test")
        for name in ("cat", "dog")
        for i in range(4)
    }
    for order, root in enumerate((tmp_path / "a" / "pets", tmp_path / "b" / "pets")):
        for (split, name, i), pixels in pictures.items():
            (root / split / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / split / name / f"{(i * 3 + order) % 4}.png")
    first, second = load(str(tmp_path / "a/pets"), side=8), load(str(tmp_path / "b/pets"), side=8)
    assert torch.equal(first.train_images, second.train_images) and first.fingerprint == second.fingerprint
    assert replace(first, train_labels=1 - first.train_labels).fingerprint != first.fingerprint


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_without_a_network_says_so(name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=f"CIFAR-{name[5:]} is not in {tmp_path}/user/paper_nets") as error:
        load(name)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("place", ["here/data", "user/paper_nets"])
def test_cifar_is_found_where_it_lies(place, tmp_path, monkeypatch):
    """In the folder data, as before, or in one place for all working folders of a user."""
    asked = []

    def cifar10(root, train, download):
        asked.append(root.resolve())
        images = numpy.zeros((10, 32, 32, 3), dtype=numpy.uint8)
        return SimpleNamespace(data=images, targets=list(range(10)), classes=list("0123456789"))

    cifar10.base_folder = "cifar-10-batches-py"
    (tmp_path / place / cifar10.base_folder).mkdir(parents=True)
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(datasets, "CIFAR10", cifar10)
    assert load("cifar10").train_images.shape == (10, 3, 32, 32)
    assert asked == [tmp_path / place] * 2


def test_validation_images_are_held_out_and_always_the_same(digits):
    held = digits.hold_out(437, torch.device("cpu"))
    (train_images, _), (images, labels) = held
    assert len(train_images) == 1000 and len(images) == len(labels) == 437
    assert torch.equal(digits.hold_out(437, torch.device("cpu"))[1][0], images)
    rows = sorted(image.tolist() for image in torch.cat([train_images, images]).flatten(1))
    assert rows == sorted(image.tolist() for image in digits.train_images.flatten(1))
    row = next(train(seeded("plain8", digits, 0), digits, replace(SHORT, validation=437)))
    assert 0 <= row.validation_error <= 100 and row.iteration == 16  # 1,000 images in batches of 64
    with pytest.raises(ValueError, match="1437 training images, of which each class keeps one, so .* at most 1427"):
        Training(seeded("plain8", digits, 0), digits, replace(SHORT, validation=1436))


def test_a_rare_class_is_held_out_by_its_share_and_told_of(tmp_path, capsys):
    """40 pictures of one class and 1 of another: that one was held out, and what was left had an error of 0."""
    chance = numpy.random.default_rng(0)
    for split, name, count in (("train", "cat", 40), ("train", "dog", 4), ("test", "cat", 12), ("test", "dog", 1)):
        (tmp_path / "pets" / split / name).mkdir(parents=True)
        for i in range(count):
            pixels = chance.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / split / name / f"{i}.png")
    data = load(tmp_path / "pets", side=8)
    (_, labels), (_, held) = data.hold_out(11, torch.device("cpu"))
    assert labels.bincount().tolist() == [30, 3] and held.bincount().tolist() == [10, 1]
    (_, labels), _ = data.hold_out(42, torch.device("cpu"))
    assert labels.tolist() == [0, 1]
    asked = ["train", "plain8", "--data", str(tmp_path / "pets"), "--side", "8", "--epochs", "1", "--validation", "11"]
    assert main([*asked, "--runs", str(tmp_path / "runs")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Fewer than ten training pictures are little to learn a class from: 3 of dog."
    (run,) = record.runs_in(tmp_path / "runs")
    assert told[-1] == Training(run.weights(), data, run.recipe).class_errors()
    cat, dog, mean = (float(re.search(rf"{name}:? ([\d.]+) %", told[-1])[1]) for name in ("cat", "dog", "classes"))
    assert (12 * cat + dog) / 13 == pytest.approx(run.curve.test_error.iloc[-1], abs=0.01) and mean == pytest.approx(
        (cat + dog) / 2, abs=0.01
    )
    assert run.settings["held_out"] == "by class" and asked[-2] in run.command


def test_a_subset_has_as_many_of_each_class_and_is_always_the_same(digits):
    few = digits.subset(103)
    assert few.name == "digits_103" and len(few.train_images) == 103
    assert few.train_labels.bincount(minlength=10).sort().values.tolist() == [10] * 7 + [11] * 3
    assert torch.equal(digits.subset(103).train_images, few.train_images)
    assert few.fingerprint != digits.fingerprint and torch.equal(few.test_images, digits.test_images)
    everything = {image.numpy().tobytes() for image in digits.train_images}
    assert {image.numpy().tobytes() for image in few.train_images} < everything
    for count in (1, 1438, 2.5):
        with pytest.raises(ValueError, match=r"so it must be 2 to 1437\."):
            digits.subset(count)
    with pytest.raises(ValueError, match=r"digits_103 is a subset already; take one of digits, the whole data set\."):
        few.subset(50)


def test_crop_and_flip_gives_windows_of_the_padded_image():
    images = torch.arange(2 * 3 * 5 * 5, dtype=torch.float).view(2, 3, 5, 5) + 1
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    windows = [padded[:, :, i : i + 5, j : j + 5] for i in range(5) for j in range(5)]
    windows += [window.flip(3) for window in windows]
    seen = set()
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        for n, image in enumerate(crop_and_flip(images, torch.rand(2, 3, generator=generator), padding=2)):
            matches = [k for k, window in enumerate(windows) if torch.equal(window[n], image)]
            assert matches
            seen.update(matches[:1])
    assert seen == set(range(50))


@pytest.mark.parametrize("steps", [1, 2, 7, 64, 345])
def test_the_learning_rates_are_those_of_torchs_schedules(steps):
    """Both papers divide by ten after a half and three quarters; one cycle is as torch's, one step longer."""
    for recipe in (Recipe(epochs=1), Recipe(epochs=1, schedule="one-cycle", learning_rate=0.3)):
        optimiser = SGD([torch.zeros(1, requires_grad=True)], recipe.learning_rate)
        if recipe.schedule == "step":
            schedule = MultiStepLR(optimiser, [steps // 2, steps * 3 // 4])
        else:
            schedule = OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps + 1, cycle_momentum=False)
        for step in range(steps):
            if steps > 1:
                assert recipe.rate(step, steps) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
            optimiser.step()
            schedule.step()


@pytest.mark.parametrize("recipe", [RESNET, DENSENET, DIGITS, replace(DIGITS, momentum=0.0, weight_decay=0.03)])
def test_what_decay_leaves_is_what_torchs_sgd_leaves_of_a_weight_without_a_gradient(recipe):
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    options = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "nesterov": recipe.nesterov}
    optimiser, steps = SGD([weight], **options), 300
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = recipe.rate(step, steps)
        weight.grad = torch.zeros_like(weight)
        optimiser.step()
    assert recipe.only_decay(steps) == pytest.approx(weight.item(), rel=1e-12) and weight.item() < 1


def test_the_papers_lengths():
    assert RESNET.rate(31_999, 64_000) == 0.1 and RESNET.rate(32_000, 64_000) == pytest.approx(0.01)
    assert RESNET.rate(47_999, 64_000) == pytest.approx(0.01)
    assert RESNET.rate(48_000, 64_000) == RESNET.rate(63_999, 64_000) == pytest.approx(0.001)
    assert RESNET.steps(50_000) == 64_000 and not RESNET.nesterov and RESNET.batch == 128
    assert DENSENET.steps(50_000) == 300 * 782 and DENSENET.nesterov and DENSENET.batch == 64
    for recipe in (RESNET, DENSENET):
        assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.schedule) == (0.1, 0.9, 1e-4, "step")
    assert [default_recipe(f"resnet{depth}", "cifar10").warm_up for depth in (56, 110, 1202)] == [False, True, True]
    assert default_recipe("densenet_bc100_k12", "cifar10") == replace(DENSENET, init="fan_out")
    assert default_recipe("densenet_bc100_k12", "digits") == replace(DIGITS, init="fan_out")
    assert RESNET.augment and DENSENET.augment and DENSENET.dropout == 0
    assert default_recipe("densenet40_k12", "cifar10", augment=False) == replace(
        DENSENET, augment=False, dropout=0.2, init="fan_out"
    )
    assert default_recipe("resnet20", "cifar10", augment=False) == replace(RESNET, augment=False, init="fan_in")
    # As many passes over fewer images, not as many steps, which would be thousands of passes.
    for data, part in (("my_pictures", None), ("cifar10", 100)):
        recipe = default_recipe("resnet20", data, part=part)
        assert recipe == replace(RESNET, iterations=None, epochs=164, init="fan_in") and recipe.steps(50_000) == 64_124


@pytest.mark.parametrize("augment", [False, True])
def test_a_step_is_that_of_a_loop_written_by_hand(augment, digits):
    """SGD with momentum and weight decay on the mean loss, written out; three steps."""
    recipe = Recipe(epochs=1, batch=32, learning_rate=0.05, weight_decay=1e-2, augment=augment)
    training = Training(seeded("plain8", digits, 0), digits, recipe)
    net = seeded("plain8", digits, 0)
    velocity = [torch.zeros_like(p) for p in net.parameters()]
    mean, std = digits.mean_and_std
    for step in range(3):
        batch = torch.arange(32 * step, 32 * step + 32)
        chance = torch.rand(32, 3, generator=torch.Generator().manual_seed(step))
        training._generator.manual_seed(step)
        training.step(batch, 0.05)
        x = (digits.train_images[batch] - mean) / std
        if augment:
            padded = functional.pad(x, (4, 4, 4, 4))
            down, right = (chance[:, :2].T * 9).int().tolist()
            x = torch.stack([image[:, i : i + 8, j : j + 8] for image, i, j in zip(padded, down, right, strict=True)])
            x = torch.stack([image.flip(2) if c < 0.5 else image for image, c in zip(x, chance[:, 2], strict=True)])
        net.zero_grad()
        functional.cross_entropy(net(x), digits.train_labels[batch]).backward()
        with torch.no_grad():
            for p, v in zip(net.parameters(), velocity, strict=True):
                v.mul_(0.9).add_(p.grad + 1e-2 * p)
                p -= 0.05 * v
    for ours, by_hand in zip(training.net.parameters(), net.parameters(), strict=True):
        assert torch.allclose(ours, by_hand, rtol=1e-4, atol=1e-6)


def test_the_warm_up_ends_with_the_first_epoch_below_80_per_cent(digits):
    recipe = Recipe(epochs=4, batch=64, warm_up=True, learning_rate=1e-2, augment=False)
    training = Training(seeded("plain8", digits, 0), digits, recipe)
    rows = [training.epoch() for _ in range(4)]
    warm = [row.learning_rate == pytest.approx(recipe.rate(row.iteration - 1, 92) / 10) for row in rows]
    below = [row.training_error < 80 for row in rows]
    assert warm[0] and not warm[-1] and below[-1]
    assert warm[1:] == [not any(below[:i]) for i in range(1, 4)]


def test_digits_take_one_thread_and_leave_the_others_be(digits, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for data, threads in (("digits", 1), ("cifar10", min(2, cpu_count()))):
            with pytest.raises(KeyError), threads_for(data):
                assert torch.get_num_threads() == threads
                raise KeyError
            assert torch.get_num_threads() == 2
        asked = ["train", "plain8", "--epochs", "1", "--images", "50", "--runs"]
        assert main([*asked, str(tmp_path / "one")]) == 0
        assert torch.get_num_threads() == 2
        assert main([*asked, str(tmp_path / "two"), "--threads", "2"]) == 0
    finally:
        torch.set_num_threads(before)
    found = [record.runs_in(tmp_path / root)[0].environment[0]["threads"] for root in ("one", "two")]
    assert found == [1, 2]


@pytest.mark.parametrize(
    "files",
    [
        {"/sys/fs/cgroup/cpu.max": "100000 100000\n"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_a_container_takes_the_threads_that_it_may_use(files, monkeypatch):
    """As `docker run --cpus 1` sets them on a machine of more cores, under both versions of Linux's control groups."""
    there, before = os.path.exists, torch.get_num_threads()
    monkeypatch.setattr(os.path, "exists", lambda path: path in files or ("cgroup" not in str(path) and there(path)))
    monkeypatch.setattr(context, "open", lambda path: io.StringIO(files[path]), raising=False)
    torch.set_num_threads(2)
    try:
        with threads_for("cifar10"):
            assert torch.get_num_threads() == 1
        _machine(SimpleNamespace(device="cpu", threads=None, compile=False))
        assert torch.get_num_threads() == 1
        _machine(SimpleNamespace(device="cpu", threads=2, compile=False))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_length_in_iterations_cuts_the_last_epoch_short(digits):
    rows = list(
        train(seeded("plain8", digits, 0), digits, replace(DIGITS, epochs=None, iterations=30, schedule="step"))
    )
    assert [row.iteration for row in rows] == [23, 30] and rows[-1].learning_rate == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("name", "changes"), [("resnet8", {}), ("densenet_bc22_k4", {}), ("densenet_bc22_k4", {"memory_efficient": True})]
)
def test_bfloat16_learns_too(name, changes, digits):
    nets = (seeded(name, digits, 0, **changes) for _ in range(2))
    recipes = (SHORT, replace(SHORT, precision="bfloat16"))
    full, half = (list(train(net, digits, recipe)) for net, recipe in zip(nets, recipes, strict=True))
    assert full[0].training_loss != half[0].training_loss == pytest.approx(full[0].training_loss, rel=0.1)
    assert half[-1].training_error == pytest.approx(full[-1].training_error, abs=8) and half[-1].training_error < 35


@pytest.mark.parametrize("images", [1, 2, 127, 128, 129, 130, 256, 257])
def test_no_image_is_left_to_a_batch_of_its_own(images):
    batches = batches_of(torch.arange(images), 128)
    assert torch.cat(batches).tolist() == list(range(images))
    assert images == 1 or min(map(len, batches)) > 1
    assert len(batches) == iterations_per_epoch(images, 128)


def test_a_channel_that_never_changes_is_no_obstacle(digits):
    flat = replace(digits, train_images=torch.zeros_like(digits.train_images))
    rows = list(train(seeded("plain8", flat, 0), flat, replace(SHORT, epochs=1)))
    assert rows[0].training_loss < 10


def test_dropout_drops_a_share_of_every_convolutions_outputs(digits):
    recipe = replace(SHORT, epochs=1, dropout=0.25)
    net = build_for_training("densenet_bc10_k8", digits, recipe, "cpu")
    drops = [module for module in net.modules() if isinstance(module, torch.nn.Dropout)]
    convolutions = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(drops) == len(convolutions) - 1 == 8  # after all but the stem
    shares = []
    for drop in drops:
        drop.register_forward_hook(lambda drop, _, out: shares.append((out == 0).float().mean().item()))
    training = Training(net, digits, recipe)
    training.step(torch.arange(64), 0.01)
    assert shares == pytest.approx([0.25] * 8, abs=0.05)
    training.error(digits.test_images, digits.test_labels)
    assert set(shares[8:]) == {0.0}
    for built, told in ((None, 0.25), (0.25, 0.0), (0.5, 0.25)):
        message = f"dropout is {told}; the net was built with {built or 0}, and both must agree"
        with pytest.raises(InputError, match=message):
            Training(seeded("densenet_bc10_k8", digits, 0, dropout=built), digits, replace(recipe, dropout=told))


def test_dropout_is_the_seeds_alone_and_leaves_the_callers_random_numbers(digits):
    """Whatever was drawn before, and whether the training was begun here or taken up."""
    recipe, losses = replace(SHORT, epochs=2, dropout=0.25), []
    for before in (1, 2):
        torch.manual_seed(before)
        wanted = torch.Generator().manual_seed(before).get_state()
        training = Training(build_for_training("densenet_bc10_k8", digits, recipe, "cpu"), digits, recipe)
        training.epoch()
        goes_on = Training(build_for_training("densenet_bc10_k8", digits, recipe, "cpu"), digits, recipe)
        goes_on.restore(training.state(), training.rows)
        losses += [training.epoch().training_loss, goes_on.epoch().training_loss]
        assert torch.equal(torch.get_rng_state(), wanted)
    assert len(set(losses)) == 1


def test_an_epoch_after_the_last_one_is_refused(digits):
    training = Training(seeded("plain8", digits, 0), digits, replace(DIGITS, epochs=1))
    training.epoch()
    with pytest.raises(InputError, match="All 23 iterations are done"):
        training.epoch()


def test_data_and_runs_can_be_compared_and_put_into_sets(digits):
    run = recorded("digits")[0]
    assert digits == digits and digits != replace(digits) and len({digits, digits, run, run}) == 2
    assert run != replace(run)


def test_the_mean_is_that_of_all_pixels(digits):
    photographs = torch.randint(256, (50, 3, 32, 32), dtype=torch.uint8)
    for images in (digits.train_images, photographs):
        mean, std = replace(digits, train_images=images).mean_and_std
        pixels = images.double()
        torch.testing.assert_close(mean, pixels.mean((0, 2, 3), keepdim=True).float())
        torch.testing.assert_close(std, pixels.transpose(0, 1).flatten(1).std(1).view(1, -1, 1, 1).float())


def test_what_is_read_again_has_not_been_changed_by_its_readers():
    first = recorded("digits")[0]
    first.curve["training_error"], first.settings["recipe"]["batch"], first.environment[0]["threads"] = 0.0, 1, 0
    again = recorded("digits")[0]
    assert again.curve.training_error.max() > 0 and again.recipe.batch > 1 and again.environment[0]["threads"] > 0


def test_a_net_that_is_built_in_a_thread_and_a_cell_leave_each_others_random_numbers(digits):
    torch.manual_seed(3)
    wanted = build("resnet56", in_channels=1).state_dict()
    cell = torch.rand(3000, generator=torch.Generator().manual_seed(4))
    with ThreadPoolExecutor(1) as pool:
        torch.manual_seed(4)
        building = pool.submit(seeded, "resnet56", digits, 3)
        drawn = torch.cat([torch.rand(1) for _ in cell])
    for name, tensor in building.result().state_dict().items():
        assert torch.equal(tensor, wanted[name]), name
    assert torch.equal(drawn, cell)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::addmm", "the rest"),
        ("Optimizer.zero_grad#SGD.zero_grad", "the rest"),
        ("aten::add_", "copies, sums and ReLU"),
        ("aten::zero_", "copies, sums and ReLU"),
        ("aten::native_batch_norm_backward", "batch norm"),
        ("aten::mkldnn_convolution", "convolution"),
        ("aten::_to_copy", "copies, sums and ReLU"),
    ],
)
def test_the_kinds_of_work_are_told_by_whole_words(operator, kind):
    assert kind_of(operator) == kind


def test_training_learns_and_is_the_same_for_the_same_seed(digits):
    curves = []
    for seed in (0, 0, 1):
        net = seeded("resnet8", digits, seed)
        curves.append(list(train(net, digits, replace(SHORT, seed=seed))))
    assert curves[0][-1].training_error < 20 < curves[0][0].training_error
    first, again, other = ([row.training_loss for row in curve] for curve in curves)
    assert first == again != other


def test_train_each_tells_its_progress(digits):
    assert list(train_each(["plain8", "plain8"], digits, replace(SHORT, epochs=1)))[-1].done == 1
    told = list(train_each(["plain8", "resnet14"], digits, SHORT))
    assert [now.doing for now in told] == ["plain8"] * 2 + ["resnet14"] * 2
    assert told[-1].done == 1 and told[0].done < told[2].done - told[1].done
    assert list(told[-1].table.net) == [now.doing for now in told]


def test_a_loss_that_is_not_finite_stops_the_run(digits):
    recipe = replace(SHORT, schedule="step", learning_rate=1e30)
    with pytest.raises(
        FloatingPointError, match=r"by iteration 16 \(no epoch was finished\); try a lower learning rate"
    ):
        list(train(seeded("plain8", digits, 0), digits, recipe))


def run_of(net, steps, seed=0):
    return record.Run(None, {"net": net, "iterations": steps, "recipe": {"epochs": 1, "seed": seed}}, [], None)


def test_runs_are_compared_at_the_same_length():
    runs = [run_of("a", 1), run_of("a", 2), run_of("a", 3), run_of("b", 1), run_of("b", 2), run_of("b", 2, seed=1)]
    assert record.at_length(runs, "longest") == [runs[2], runs[4], runs[5]]
    assert record.at_length(runs, "alike") == [runs[1], runs[4], runs[5]]
    assert record.at_length([], "alike") == []
    with pytest.raises(ValueError, match="No length is common to the runs of a, b, c; record them at one length"):
        record.at_length([*runs, run_of("c", 9)], "alike")


def test_runs_stand_beside_the_papers_numbers():
    ends = paper_ends("cifar10").set_index("net")
    assert ends.test_error_pct["resnet56"] == 6.97 and ends.training_error_pct.isna()["resnet56"]
    figure = published("resnet_figure1").set_index("net")
    assert ends.test_error_pct["plain56"] == figure.test_error_pct["plain56"]
    assert ends.test_error_pct["densenet_bc100_k12"] == 4.51
    assert paper_ends("digits").test_error_pct.isna().all()
    rows = comparison(recorded("cifar10"))
    (row,) = rows[(rows.net == "resnet56") & (rows.seed == 0)].head(1).to_dict("records")
    assert row["in the paper"] == 6.97 and row["parameters"] == 853_018
    assert row["difference"] == pytest.approx(row["test error"] - 6.97, abs=0.011)
    (run,) = (run for run in recorded("cifar10", epochs=len(pandas.read_csv(LONG))) if run.net == "resnet56")
    (row,) = comparison([run]).to_dict("records")
    curve = pandas.read_csv(LONG)
    assert row["least test error"] == min(curve.test_error) < max(curve.test_error)
    assert row["minutes"] == pytest.approx(sum(curve.seconds) / 60, abs=0.01)
    there = [{**run.environment[0], "processor": processor} for processor in ("one", "another", "one")]
    assert comparison([replace(run, environment=there)]).machine.item() == "one, another"


def test_the_recorded_runs_are_whole_and_anonymous():
    folders = {path.parent for path in record.RECORDED.glob("*/*")}
    digits = load("digits")
    parts = {f"digits_{count}": digits.subset(count) for count in (50, 100, 200, 400)}
    fingerprints = {name: data.fingerprint for name, data in {"digits": digits, **parts}.items()} | PHOTOGRAPHS
    runs = [run for data in fingerprints for run in recorded(data)]
    assert {run.folder for run in runs} == folders
    images = {"digits": 1437, "cifar10": 50_000, "cifar10_5000": 5000} | {
        name: len(data.train_images) for name, data in parts.items()
    }
    for data, fingerprint in fingerprints.items():
        assert {run.settings["images"] for run in recorded(data)} == {fingerprint}
    assert all("note" not in leg for run in runs for leg in run.environment)
    for run in runs:
        data, recipe = run.settings["data"], run.recipe
        assert run.folder.name == f"{run.net}-{data}-{recipe.length}-seed{recipe.seed}"
        assert run.settings["iterations_per_epoch"] == -(-images[data] // recipe.batch)
        assert list(run.curve.epoch) == list(range(1, len(run.curve) + 1))
        assert run.curve[["training_error", "test_error"]].stack().between(0, 100).all()
        assert run.environment[0]["from_epoch"] == 1 and run.environment[0]["processor"]
        assert "/" not in json.dumps(run.settings) + json.dumps([leg["system"] for leg in run.environment])
    assert {run.recipe.seed for run in recorded("digits", epochs=DIGITS.epochs) if run.net == "plain56"} == {1, 2, 3, 4}
    few = {(run.net, run.recipe.seed, run.recipe.augment, run.recipe.dropout) for run in recorded("cifar10_5000")}
    assert few == {(n, seed, False, 0.0) for n in ("plain20", "resnet20", "densenet22_k12") for seed in range(3)}
    six = {(run.net, run.recipe.seed) for run in recorded("cifar10", epochs=6)}
    assert six >= {(net, seed) for net in ("plain20", "plain56", "resnet20", "resnet56") for seed in range(3)}
    fifteen = {run.net for run in recorded("cifar10", epochs=15)}
    assert fifteen >= {f"{kind}{depth}" for kind in ("plain", "resnet") for depth in (20, 32, 44, 56)}
    whole = comparison([run for run in recorded("cifar10") if run.iterations == 64_000]).set_index("net")
    assert {*whole.index} >= {"plain20", "resnet20"}
    assert whole.difference.abs().max() < 1 and (whole["test error"].resnet20 < whole["test error"].plain20)
    weights = [path.stat().st_size for path in record.RECORDED.glob("*/weights.safetensors")]
    assert sum(weights) <= 15e6


def test_recorded_digits_come_out_again(digits):
    """On another machine the bits may differ, so the first epoch is compared loosely."""
    (run,) = (run for run in recorded("digits", epochs=DIGITS.epochs) if run.net == "resnet20" and run.recipe.seed == 1)
    first = next(train(seeded(run.net, digits, 1), digits, run.recipe))
    assert first.training_error == pytest.approx(run.curve.training_error[0], abs=3)
