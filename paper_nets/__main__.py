"""The command line: `python -m paper_nets --help`."""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from paper_nets.lab.data import load
from paper_nets.lab.record import Recorder
from paper_nets.lab.train import DENSENET, DIGITS, RESNET, seeded, train
from paper_nets.nets import DenseNetPlan, plan


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m paper_nets", description="ResNet and DenseNet, understood by running them."
    )
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("train", help="train a net by name and record the run")
    command.add_argument("net", help="a name from paper_nets.catalog(), as resnet56 or densenet40_k12")
    command.add_argument(
        "--data", default="digits", help="digits (default), cifar10, or a folder with train/CLASS and test/CLASS"
    )
    command.add_argument(
        "--side", type=int, default=32, help="resize a folder's images to this many pixels (default 32)"
    )
    command.add_argument(
        "--epochs", type=int, help="passes over the training images (15 on the digits, else the papers' 164 or 300)"
    )
    command.add_argument("--batch", type=int, help="images per step (64 on the digits, else the papers' 128 or 64)")
    command.add_argument("--learning-rate", type=float, help="highest learning rate (default 0.1)")
    command.add_argument("--seed", type=int, help="seed of weights, order and augmentation (default 0)")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the recorded runs (default runs)")
    command.set_defaults(run=run_train)

    asked = parser.parse_args(arguments)
    try:
        return asked.run(asked)
    except (ValueError, OSError, FloatingPointError) as error:
        print(error, file=sys.stderr)
        return 2


def run_train(asked: argparse.Namespace) -> int:
    made = plan(asked.net)  # a wrong name is refused before the images are read
    usual = DENSENET if isinstance(made, DenseNetPlan) else RESNET
    if asked.data == "digits":
        usual = DIGITS
    chosen = {"epochs": asked.epochs, "batch": asked.batch, "learning_rate": asked.learning_rate, "seed": asked.seed}
    recipe = replace(usual, **{name: value for name, value in chosen.items() if value is not None})
    data = load(asked.data, asked.side)
    net = seeded(asked.net, data, recipe.seed)
    folder = asked.runs / f"{asked.net}-{data.name}-{recipe.epochs}epochs-seed{recipe.seed}"
    recorder = Recorder(folder, asked.net, data.name, len(data.train_images), recipe)
    for row in train(net, data, recipe, progress=partial(tqdm, leave=False, disable=None)):
        recorder.add(row)
        print(
            f"epoch {row.epoch:3} of {recipe.epochs}: loss {row.training_loss:.4f}, "
            f"training error {row.training_error:.2f} %, test error {row.test_error:.2f} %, {row.seconds:.0f} s",
            flush=True,
        )
    print(f"recorded in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
