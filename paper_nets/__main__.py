"""The command line: `python -m paper_nets --help`."""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import Field, fields, replace
from math import isnan
from pathlib import Path
from types import NoneType
from typing import get_args

import torch
from tqdm import tqdm

from paper_nets.lab import parallel
from paper_nets.lab.compare import comparison, paper_ends
from paper_nets.lab.data import DATA_SETS, Data, load
from paper_nets.lab.record import (
    RECORDED,
    Run,
    as_options,
    folder_of,
    is_finished,
    keep,
    make,
    may_keep,
    recorded,
    runs_in,
    settings_of,
    table,
)
from paper_nets.lab.speed import NETS, speeds
from paper_nets.lab.train import (
    Epoch,
    Recipe,
    Training,
    build_for_training,
    default_recipe,
    fast_precision,
    in_a_sentence,
    is_expected,
    threads_for,
    with_dropout,
)
from paper_nets.nets.parts import InputError, check_image

WRONG, STOPPED = 2, 130


class _Parser(argparse.ArgumentParser):
    def __init__(self, **arguments):
        super().__init__(allow_abbrev=False, **arguments)  # or --seed would be sweep's --seeds

    def error(self, message: str) -> None:
        """In one sentence, as every other wrong input, and without the usage."""
        raise InputError(f"{message}; see {self.prog} --help.")


def main(arguments: Sequence[str] | None = None) -> int:
    # Large pages spare the kernel clearing small ones for every activation: a sixth of a dense net's step on Linux.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    asked = argparse.Namespace(traceback=False)
    try:
        asked = _parser().parse_args(arguments)
        return asked.run(asked)
    except BrokenPipeError:  # whoever read the output, as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except Exception as error:
        if asked.traceback or not is_expected(error):
            raise
        if message := parallel.message_of_this_process(error, in_a_sentence(error)):
            print(message, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Stopped; the same command takes a training up again after its last whole epoch.", file=sys.stderr)
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m paper_nets", description="ResNet and DenseNet, understood by running them.")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from, not only what it is")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        return command

    command = add("train", _train, "train a net by name and record the run; again, to go on with it")
    command.add_argument("net", help="a name from paper_nets.catalog(), as resnet56 or densenet40_k12")
    _add_recipe(command)

    command = add("sweep", _sweep, "train several nets from several seeds, leaving out what is there")
    command.add_argument("nets", nargs="+", metavar="net", help="names from paper_nets.catalog()")
    command.add_argument("--seeds", type=int, default=1, help="how many seeds, 0 being the first (default 1)")
    command.add_argument("--at-once", type=int, help="runs at the same time (default: cores ÷ threads; 1 on a GPU)")
    _add_recipe(command, leave_out=("seed",))

    command = add("speed", _speed, "images per second and memory in training, beside a plain loop")
    command.add_argument("nets", nargs="*", default=NETS, metavar="net", help=f"(default {' '.join(NETS)})")
    command.add_argument("--batch", type=int, help="images per step (default: as the net's paper)")
    command.add_argument("--seconds", type=float, default=10, help="for each loop of each net (default 10)")
    _add_machine(command)

    command = add("compare", _compare, "a table of runs, beside what the papers published")
    _add_runs(command, "those of the package")

    command = add("plot", _plot, "the learning curves of runs, beside what the papers published")
    _add_runs(command, "the longest of the package on CIFAR-10")
    command.add_argument("--to", type=Path, default=Path("curves.png"), help="a PNG or SVG (default curves.png)")

    command = add("figures", _figures, "all figures of the papers, as the notebooks drew them, on a page")
    command.add_argument("--to", type=Path, default=Path("figures"), help="the folder (default figures)")
    command.add_argument("--live", action="store_true", help="train first what can be trained here in two minutes")

    command = add("keep", _keep, "copy finished runs without their checkpoints, small enough to share")
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    command.add_argument("--to", type=Path, required=True, help="the folder to copy them into")
    command.add_argument("--weights", action="store_true", help="with their weights in half precision")
    return parser


def _add_recipe(command: argparse.ArgumentParser, leave_out: Sequence[str] = ()) -> None:
    """The options of `train` and `sweep`. Those of the recipe are its fields, and not set unless given: the net's paper
    decides."""
    command.add_argument(
        "--data", default="digits", help="digits (default), cifar10, cifar100, or a folder with train/CLASS, test/CLASS"
    )
    command.add_argument("--side", type=int, help="pixels to which a folder's images are resized (32)")
    command.add_argument("--images", type=int, help="training images in all, equally many of each class (all)")
    length = command.add_mutually_exclusive_group()
    for field in fields(Recipe):
        if field.name in leave_out or field.name == "precision":  # that is the machine's, for `speed` too
            continue
        group = length if field.name in ("epochs", "iterations") else command
        _add_field(group, field)
    _add_machine(command)
    command.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the recorded runs (default runs)")


def _add_field(command, field: Field) -> None:
    """An option for a field of `Recipe`: --learning-rate for learning_rate; for a switch --augment and --no-augment."""
    kind = next(kind for kind in (get_args(field.type) or (field.type,)) if kind is not NoneType)
    how = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind, **field.metadata}
    command.add_argument("--" + field.name.replace("_", "-"), **{**how, "help": field.metadata["help"]})


def _add_machine(command: argparse.ArgumentParser) -> None:
    _add_field(command, Recipe.__dataclass_fields__["precision"])
    command.add_argument("--device", choices=("cpu", "cuda"), help="cuda where there is one")
    command.add_argument("--threads", type=int, help="on the CPU (train: as many as cores, 1 for digits; sweep: 1)")
    command.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="torch.compile; pays on long runs (off)"
    )


def _add_runs(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help=f"runs, or folders of runs (default: {default})"
    )


def _machine(asked: argparse.Namespace) -> tuple[str, bool]:
    """The device to train on, and whether to compile for it; sets the number of threads."""
    device = asked.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("This machine has no GPU that PyTorch can use; leave --device out, or ask for cpu.")
    if asked.threads is not None:
        _check_count("threads", asked.threads)
        torch.set_num_threads(asked.threads)
    return device, bool(asked.compile)


def _check_count(option: str, value: float) -> None:
    if not 1 <= value <= 1000:
        raise InputError(f"{option} is {value}; it must be at least 1, and at most 1000.")


def _train(asked: argparse.Namespace) -> int:
    device, compiled = _machine(asked)
    recipe = _recipe(asked, device)  # a wrong name is refused before the images are read
    with parallel.group(device), nullcontext() if asked.threads else threads_for(asked.data):
        data = _data(asked)
        settings = settings_of(asked.net, data, recipe)
        folder = folder_of(asked.runs, settings)
        if parallel.first(lambda: is_finished(folder, settings)):
            _say(f"{folder} is finished already.")
            return 0
        net = build_for_training(asked.net, data, recipe, device, compiled)
        check_image(net.plan, data.shape)
        _watch(Training(net, data, recipe, device, compiled), folder, settings)
    return 0


def _data(asked: argparse.Namespace) -> Data:
    if asked.side is not None and asked.data in DATA_SETS:
        raise InputError(f"side is {asked.side}; it is for a folder's images, leave it out with {asked.data}.")
    data = load(asked.data) if asked.side is None else load(asked.data, asked.side)
    return data if asked.images is None else data.subset(asked.images)


def _recipe(asked: argparse.Namespace, device: str) -> Recipe:
    chosen = {field.name: getattr(asked, field.name) for field in fields(Recipe)}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if {"epochs", "iterations"} & set(chosen):
        chosen = {"epochs": None, "iterations": None, **chosen}
    ordinary = default_recipe(asked.net, asked.data, chosen.get("augment", True), asked.images)
    recipe = replace(ordinary, **{"precision": fast_precision(device), **chosen})
    with_dropout(asked.net, recipe)  # refused before anything is read or begun
    return recipe


def _watch(training: Training, folder: Path, settings: dict) -> None:
    """Train with a progress bar on a terminal, and a plain line after each epoch."""
    bar = None

    def watch(iteration: int, loss: float, error: float) -> None:
        nonlocal bar
        if bar is None:
            hidden = None if parallel.is_first() else True
            begun = settings["iterations_per_epoch"] * len(training.rows)
            bar = tqdm(total=training.steps, initial=begun, unit="it", disable=hidden, dynamic_ncols=True)
        bar.set_postfix_str(f"loss {loss:.3f}, training error {error:.1f} %", refresh=False)
        bar.update(iteration - bar.n)

    epochs = -(-training.steps // settings["iterations_per_epoch"])
    try:
        for row in make(training, folder, settings, watch):
            if parallel.is_first():
                tqdm.write(_line(row, epochs))  # print, but above the bar
                sys.stdout.flush()
    finally:
        if bar is not None:
            bar.close()
    _say(f"recorded in {folder}")


def _line(row: Epoch, epochs: int) -> str:
    held_out = "" if isnan(row.validation_error) else f"validation error {row.validation_error:.2f} %, "
    return (
        f"epoch {row.epoch:3} of {epochs}: loss {row.training_loss:.4f}, training error {row.training_error:.2f} %, "
        f"{held_out}test error {row.test_error:.2f} %, {row.seconds:.0f} s"
    )


def _say(words: str) -> None:
    if parallel.is_first():
        print(words, flush=True)


def _sweep(asked: argparse.Namespace) -> int:
    """Each run is a `train` in a process of its own, so that one that fails leaves the others be."""
    _check_count("seeds", asked.seeds)
    for option in ("threads", "at_once"):
        if getattr(asked, option) is not None:
            _check_count(option.replace("_", "-"), getattr(asked, option))
    nets = list(dict.fromkeys(asked.nets))
    for net in nets:
        _recipe(argparse.Namespace(**{**vars(asked), "net": net, "seed": 0}), "cpu")
    if asked.runs.exists() and not asked.runs.is_dir():
        raise InputError(f"{asked.runs} is a file; runs need a folder, or a name that is still free.")
    _data(asked)  # what is wrong with the images is said once, and they are downloaded once
    threads = asked.threads or 1
    device, _ = _machine(argparse.Namespace(**{**vars(asked), "threads": None}))
    at_once = asked.at_once or (1 if device == "cuda" else max(1, _cores() // threads))
    given = {field.name: getattr(asked, field.name, None) for field in fields(Recipe)}
    given |= {name: getattr(asked, name) for name in ("data", "side", "images", "runs", "device", "compile")}
    shared = as_options({**given, "threads": threads})
    # The first seed of every net before the second of any.
    wanted = [(net, seed) for seed in range(asked.seeds) for net in nets]

    at_work, ending = [], threading.Event()

    def train_one(net: str, seed: int) -> bool:
        command = [sys.executable, "-m", "paper_nets", "train", net, "--seed", str(seed), *shared]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            at_work.append(process)
            if ending.is_set():  # begun while the others were told to end
                process.terminate()
            for line in process.stdout:
                print(f"{net} seed {seed}: {line}", end="", flush=True)
        return process.returncode == 0

    # Told to end, as by `kill`, it takes its trainings with it; they lose nothing but the epoch under way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pool = ThreadPoolExecutor(at_once)
    try:
        done = list(pool.map(train_one, *zip(*wanted, strict=True)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        ending.set()
        for process in at_work:
            process.terminate()
        pool.shutdown()
    failed = [f"{net} seed {seed}" for (net, seed), well in zip(wanted, done, strict=True) if not well]
    if failed:
        raise InputError(f"{len(failed)} of {len(wanted)} runs failed: {', '.join(failed)}; what they said is above.")
    print(f"All {len(wanted)} runs are in {asked.runs}.")
    return 0


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runs(asked: argparse.Namespace) -> list[Run]:
    return [run for root in asked.runs or [RECORDED] for run in runs_in(root)]


def _speed(asked: argparse.Namespace) -> int:
    device, compiled = _machine(asked)
    _check_count("seconds", asked.seconds)
    recipe = {"precision": asked.precision or fast_precision(device)}
    if asked.batch is not None:
        recipe["batch"] = asked.batch
    print(f"{recipe['precision']} on {device}, {torch.get_num_threads()} threads; beside a plain float32 loop")
    for speed in speeds(asked.nets, recipe, device, compiled, asked.seconds):
        memory = "" if speed.our_memory is None else f", {speed.our_memory:.2f} GB (plain {speed.plain_memory:.2f} GB)"
        if speed.written is not None:
            memory += f"; as written, {speed.written:.0f} images per second"
            memory += "" if speed.written_memory is None else f", {speed.written_memory:.2f} GB"
        shares = ", ".join(f"{kind} {share:.0f} %" for kind, share in speed.shares.items())
        print(
            f"{speed.net}, batch {speed.batch}: {speed.ours:.0f} images per second (plain {speed.plain:.0f}), "
            f"{speed.times:.2f} times as fast{memory}" + (f"; {shares}" if shares else ""),
            flush=True,
        )
    return 0


def _compare(asked: argparse.Namespace) -> int:
    print(comparison(_runs(asked)).to_string(index=False, na_rep=""))
    return 0


def _plot(asked: argparse.Namespace) -> int:
    from paper_nets.show import run_curves

    if asked.to.suffix not in (".png", ".svg"):
        raise InputError(f"{asked.to} is no name for a picture; it must end in .png or .svg.")
    runs = _runs(asked) if asked.runs else recorded("cifar10", epochs="longest")
    data = sorted({run.settings["data"] for run in runs})
    if len(data) > 1:
        raise InputError(f"These runs are on {', '.join(data)}; name those of one data set, to share their axes.")
    picture = run_curves(table(runs), paper_ends(data[0]))
    picture.savefig(asked.to, dpi=200)
    print(f"{asked.to}: {picture.alt}.")
    return 0


def _figures(asked: argparse.Namespace) -> int:
    from paper_nets import gallery  # matplotlib takes a quarter of the start of a command, and few of them draw

    gallery.check_folder(asked.to)  # before anything is trained
    figures = gallery.figures()
    if asked.live:
        with tqdm(total=1, bar_format="{desc}: {percentage:3.0f} % |{bar}| {remaining} left") as bar:

            def watch(done: float, doing: str) -> None:
                bar.set_description_str(doing)
                bar.update(done - bar.n)

            figures = sorted([*figures, gallery.live(load("digits"), watch=watch)], key=lambda figure: figure.name)
    print(f"{len(figures)} figures are in {asked.to}; {gallery.write(asked.to, figures)} shows them.")
    return 0


def _keep(asked: argparse.Namespace) -> int:
    runs = [run for root in asked.runs for run in runs_in(root)]
    names = [may_keep(run, asked.to, asked.weights).name for run in runs]  # all of them or none
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"Two of these runs are named {min(twice)}; keep them in folders of their own.")
    for run in runs:
        print(f"kept in {keep(run, asked.to, asked.weights)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
