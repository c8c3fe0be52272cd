"""Data, the training loop, recorded runs, and the command that makes them."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pandas
import pytest
import torch
from PIL import Image
from torch.optim import SGD

from paper_nets.__main__ import main
from paper_nets.lab import DIGITS, Recipe, load, record, recorded, seeded, table, train, train_each
from paper_nets.lab.data import crop_and_flip
from paper_nets.lab.train import DENSENET, RESNET, _batches, _schedule, iterations_per_epoch

SHORT = Recipe(epochs=2, batch=64, schedule="one-cycle")


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


def test_crop_and_flip_gives_windows_of_the_padded_image():
    images = torch.arange(2 * 3 * 5 * 5, dtype=torch.float).view(2, 3, 5, 5) + 1
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    windows = [padded[:, :, i : i + 5, j : j + 5] for i in range(5) for j in range(5)]
    windows += [window.flip(3) for window in windows]
    seen = set()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        for n, image in enumerate(crop_and_flip(images, generator, padding=2)):
            matches = [k for k, window in enumerate(windows) if torch.equal(window[n], image)]
            assert matches
            seen.update(matches[:1])
    assert len(seen) > 30


def test_the_step_schedule_divides_by_ten_at_half_and_three_quarters():
    optimiser = SGD([torch.zeros(1, requires_grad=True)], 0.1)
    schedule = _schedule(optimiser, Recipe(epochs=1), 64)
    rates = []
    for _ in range(64):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] == rates[31] == 0.1
    assert rates[32] == rates[47] == pytest.approx(0.01)
    assert rates[48] == rates[63] == pytest.approx(0.001)


def test_one_cycle_leaves_the_momentum_alone():
    optimiser = SGD([torch.zeros(1, requires_grad=True)], 0.1, momentum=0.9)
    schedule = _schedule(optimiser, replace(DIGITS, epochs=1), 23)
    rates, momenta = set(), set()
    for _ in range(23):
        rates.add(round(optimiser.param_groups[0]["lr"], 9))
        momenta.add(optimiser.param_groups[0]["momentum"])
        optimiser.step()
        schedule.step()
    assert momenta == {0.9} and len(rates) == 23 and max(rates) == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("images", [1, 2, 127, 128, 129, 130, 256, 257])
def test_no_image_is_left_to_a_batch_of_its_own(images):
    batches = _batches(torch.arange(images), 128)
    assert torch.cat(batches).tolist() == list(range(images))
    assert images == 1 or min(map(len, batches)) > 1
    assert len(batches) == iterations_per_epoch(images, 128)


def test_a_channel_that_never_changes_is_no_obstacle(digits):
    flat = replace(digits, train_images=torch.zeros_like(digits.train_images))
    rows = list(train(seeded("plain8", flat, 0), flat, replace(SHORT, epochs=1)))
    assert rows[0].training_loss < 10


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
    recipe = Recipe(epochs=2, batch=64, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="try a lower learning rate"):
        list(train(seeded("plain8", digits, 0), digits, recipe))


def test_the_command_records_a_run_once(tmp_path, capsys):
    asked = ["train", "plain8", "--epochs", "2", "--seed", "3", "--runs", str(tmp_path)]
    assert main(asked) == 0
    assert "epoch   2 of 2: loss" in capsys.readouterr().out
    (run,) = recorded("digits", root=tmp_path)
    assert (run.net, run.seed, len(run.curve)) == ("plain8", 3, 2)
    assert run.settings["recipe"] == {**asdict(DIGITS), "epochs": 2, "seed": 3}
    assert {"torch", "processor", "threads"} <= set(run.environment)
    assert list(table([run]).iteration) == [23, 46]
    assert run.command == f"python -m paper_nets {' '.join(asked[:2])} --data digits --epochs 2 --batch 64 " + (
        "--learning-rate 0.1 --seed 3"
    )
    before = sorted((p, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file())
    assert main(asked) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert before == sorted((p, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file())


def test_each_family_has_its_papers_recipe():
    assert (RESNET.epochs * iterations_per_epoch(50_000, RESNET.batch) // 1000, RESNET.nesterov) == (64, False)
    assert (DENSENET.epochs, DENSENET.batch, DENSENET.nesterov) == (300, 64, True)
    for recipe in (RESNET, DENSENET):
        assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.schedule) == (0.1, 0.9, 1e-4, "step")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["resnet21"], "6n + 2"),
        (["plain8", "--data", "nowhere"], "There is no folder nowhere"),
        (["plain8", "--epochs", "0"], "at least 1"),
        (["resnet50"], "each side at least 32"),
    ],
)
def test_the_command_says_what_is_wrong(asked, words, tmp_path):
    command = [sys.executable, "-m", "paper_nets", "train", *asked, "--runs", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and words in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert not list(tmp_path.rglob("*"))


def test_an_unfinished_run_is_not_among_the_recorded(tmp_path):
    main(["train", "plain8", "--epochs", "2", "--runs", str(tmp_path)])
    (curve,) = tmp_path.glob("*/curve.csv")
    pandas.read_csv(curve).head(1).to_csv(curve, index=False)
    assert recorded("digits", root=tmp_path) == []
    curve.unlink()
    with pytest.raises(FileNotFoundError, match=r"curve\.csv missing"):
        record.read(curve.parent)


def test_the_recorded_runs_are_whole_and_anonymous():
    folders = {path.parent for path in record.RECORDED.glob("*/*")}
    runs = [run for data in ("digits", "cifar10") for run in recorded(data)]
    assert {run.folder for run in runs} == folders
    for run in runs:
        assert run.folder.name == f"{run.net}-{run.settings['data']}-{len(run.curve)}epochs-seed{run.seed}"
        images = {"digits": 1437, "cifar10": 50_000}[run.settings["data"]]
        assert run.settings["iterations_per_epoch"] == -(-images // run.settings["recipe"]["batch"])
        assert list(run.curve.epoch) == list(range(1, len(run.curve) + 1))
        assert run.curve[["training_error", "test_error"]].stack().between(0, 100).all()
        assert "/" not in json.dumps(run.settings)
    assert {run.seed for run in recorded("digits", DIGITS.epochs) if run.net == "plain56"} == {1, 2, 3, 4}


def test_recorded_digits_come_out_again(digits):
    """On another machine the bits may differ, so the first epoch is compared loosely."""
    (run,) = (run for run in recorded("digits", DIGITS.epochs) if run.net == "resnet20" and run.seed == 1)
    recipe = Recipe(**run.settings["recipe"])
    first = next(train(seeded(run.net, digits, run.seed), digits, recipe))
    assert first.training_error == pytest.approx(run.curve.training_error[0], abs=3)
