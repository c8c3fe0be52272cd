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
from dataclasses import fields, replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import NoneType
from typing import get_args

import torch
from joblib import cpu_count
from tqdm import tqdm

from paper_nets.lab import parallel, record
from paper_nets.lab.compare import comparison, paper_ends
from paper_nets.lab.data import DATA_SETS, FITS, Data, load
from paper_nets.lab.speed import NETS, speeds
from paper_nets.lab.train import (
    Recipe,
    Training,
    build_for_training,
    changes_for,
    default_recipe,
    fast_precision,
    in_a_sentence,
    is_expected,
    remarks,
    threads_for,
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
        for name in ("threads", "seeds", "at_once", "seconds"):
            if (count := getattr(asked, name, None)) is not None and not 1 <= count <= 1000:
                raise InputError(f"{name.replace('_', '-')} is {count}; it must be at least 1, and at most 1000.")
        return asked.run(asked) or 0
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

    def command(run: Callable[[argparse.Namespace], None], text: str, *shared: argparse.ArgumentParser) -> Callable:
        made = commands.add_parser(run.__name__.strip("_"), help=text, parents=shared)
        made.set_defaults(run=run)
        return made.add_argument

    # Options of several commands. A recipe's are its fields, and not set unless given: the net's paper decides.
    machine, recipe = _Parser(add_help=False), _Parser(add_help=False)
    length, switch = recipe.add_mutually_exclusive_group(), argparse.BooleanOptionalAction
    for field in fields(Recipe):
        groups = {"epochs": length, "iterations": length, "precision": machine}
        kind = next(kind for kind in (get_args(field.type) or (field.type,)) if kind is not NoneType)
        how = {"action": switch, "help": field.metadata["help"]} if kind is bool else {"type": kind, **field.metadata}
        if field.name != "seed":
            groups.get(field.name, recipe).add_argument("--" + field.name.replace("_", "-"), **how)
    add = machine.add_argument
    add("--device", choices=("cpu", "cuda", "mps"), help="cuda where there is one; mps is Apple's, untested")
    add("--threads", type=int, help="on the CPU (train: as many as cores, 1 for digits; sweep: 1)")
    add("--compile", action=switch, help="torch.compile; pays on long runs (off)")
    add = recipe.add_argument
    add("--data", default="digits", help="cifar10, cifar100, or a folder of CLASS, or train/CLASS, test/CLASS (digits)")
    add("--side", type=int, help="pixels to which a folder's images are resized (32)")
    add("--fit", choices=tuple(FITS), help="what makes a folder's images square (squash)")
    add("--images", type=int, help="training images in all, equally many of each class (all)")
    add("--runs", type=Path, default=Path("runs"), help="folder for the recorded runs (default runs)")

    add = command(_train, "train a net by name and record the run; again, to go on with it", recipe, machine)
    add("net", help="a name from paper_nets.catalog(), as resnet56 or densenet40_k12")
    add("--seed", type=int, help=Recipe.__dataclass_fields__["seed"].metadata["help"])

    add = command(_sweep, "train several nets from several seeds, leaving out what is there", recipe, machine)
    add("nets", nargs="+", metavar="net", help="names from paper_nets.catalog()")
    add("--seeds", type=int, default=1, help="how many seeds, 0 being the first (default 1)")
    add("--at-once", type=int, help="runs at the same time (default: cores ÷ threads; 1 on a GPU)")

    add = command(_speed, "images per second and memory in training, beside a plain loop", machine)
    add("nets", nargs="*", default=NETS, metavar="net", help=f"(default {' '.join(NETS)})")
    add("--batch", type=int, help="images per step (default: as the net's paper)")
    add("--seconds", type=float, default=10, help="for each loop of each net (default 10)")

    several = {"nargs": "*", "type": Path, "metavar": "RUN"}
    add = command(_compare, "a table of runs, beside what the papers published")
    add("runs", **several, help="runs, or folders of runs (default: those of the package)")

    add = command(_plot, "the learning curves of runs, beside what the papers published")
    add("runs", **several, help="runs, or folders of runs (default: the longest of the package on CIFAR-10)")
    add("--to", type=Path, default=Path("curves.png"), help="a PNG or SVG (default curves.png)")

    add = command(_figures, "all figures of the papers, as the notebooks drew them, on a page")
    add("--to", type=Path, default=Path("figures"), help="the folder (default figures)")
    add("--live", action="store_true", help="train first what can be trained here in two minutes")

    add = command(_audit, "whether a net is the paper's: the differences, and exit status 1 where there are any")
    makes = "what makes it, as torchvision.models:resnet50; modules of this folder too"
    add("net", metavar="MODULE:CALLABLE", help=makes)
    add("name", nargs="?", help="a name from paper_nets.catalog() (default: the nearest three)")
    add("--image", type=int, nargs=3, metavar=("C", "H", "W"), help="its size (default: 224 or 32 pixels square)")

    add = command(_keep, "copy finished runs without their checkpoints, small enough to share")
    add("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    add("--to", type=Path, required=True, help="the folder to copy them into")
    add("--weights", action="store_true", help="with their weights in half precision")
    return parser


def _machine(asked: argparse.Namespace) -> tuple[str, bool]:
    """The device to train on, and whether to compile for it; sets the number of threads."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = asked.device or ("cuda" if there["cuda"] else "cpu")
    if not there[device]:
        raise InputError(f"There is no GPU that PyTorch can use as {device}; leave --device out, or ask for cpu.")
    if device == "mps":
        if asked.precision == "bfloat16":
            raise InputError("precision is bfloat16; on mps it must be float32.")
        print("mps is untested here: compare a short run with --device cpu.", file=sys.stderr)
    torch.set_num_threads(asked.threads or min(torch.get_num_threads(), cpu_count()))
    return device, bool(asked.compile)


def _train(asked: argparse.Namespace) -> None:
    device, compiled = _machine(asked)
    recipe = _recipe(asked, device)  # a wrong name is refused before the images are read
    with parallel.group(device), nullcontext() if asked.threads else threads_for(asked.data):
        data = _data(asked)
        settings = record.settings_of(asked.net, data, recipe)
        folder = record.folder_of(asked.runs, settings)
        if parallel.first(lambda: record.is_finished(folder, settings)):
            _say(f"{folder} is finished already.")
        else:
            net = build_for_training(asked.net, data, recipe, device, compiled)
            check_image(net.plan, data.shape)
            training = Training(net, data, recipe, device, compiled)
            for remark in remarks(asked.net, data, recipe):
                _say(remark)
            _watch(training, folder, settings)
            if data.source not in DATA_SETS:
                _say(training.class_errors())


def _data(asked: argparse.Namespace) -> Data:
    given = {option: vars(asked)[option] for option in ("side", "fit") if vars(asked)[option] is not None}
    if given and asked.data in DATA_SETS:
        wrong = " is ".join(map(str, given.popitem()))
        raise InputError(f"{wrong}; it is for a folder's images, leave it out with {asked.data}.")
    data = load(asked.data, **given)
    return data if asked.images is None else data.subset(asked.images)


def _recipe(asked: argparse.Namespace, device: str) -> Recipe:
    names = {field.name for field in fields(Recipe)}
    chosen = {name: value for name, value in vars(asked).items() if name in names and value is not None}
    if {"epochs", "iterations"} & set(chosen):
        chosen = {"epochs": None, "iterations": None, **chosen}
    ordinary = default_recipe(asked.net, asked.data, chosen.get("augment", True), asked.images)
    recipe = replace(ordinary, **{"precision": fast_precision(device), **chosen})
    changes_for(asked.net, recipe)  # refused before anything is read or begun
    return recipe


def _watch(training: Training, folder: Path, settings: dict) -> None:
    """Train with a progress bar on a terminal, and a plain line after each epoch."""
    hidden = None if parallel.is_first() else True
    # The delay keeps the bar of a refused run from being drawn.
    with tqdm(total=training.steps, unit="it", disable=hidden, dynamic_ncols=True, delay=0.1) as bar:

        def watch(iteration: int, loss: float, error: float) -> None:
            if bar.n == 0:
                bar.n = bar.initial = training.iteration  # where a run goes on
            bar.set_postfix_str(f"loss {loss:.3f}, training error {error:.1f} %", refresh=False)
            bar.update(iteration - bar.n)

        epochs = -(-training.steps // settings["iterations_per_epoch"])
        for row in record.make(training, folder, settings, watch):
            held_out = f"validation error {row.validation_error:.2f} %, " if training.recipe.validation else ""
            errors = f"training error {row.training_error:.2f} %, {held_out}test error {row.test_error:.2f} %"
            _say(f"epoch {row.epoch:3} of {epochs}: loss {row.training_loss:.4f}, {errors}, {row.seconds:.0f} s")
    _say(f"recorded in {folder}")


def _say(words: str) -> None:
    if parallel.is_first():
        tqdm.write(words)  # print, but above the bar
        sys.stdout.flush()


def _sweep(asked: argparse.Namespace) -> None:
    """Each run is a `train` in a process of its own, so that one that fails leaves the others be."""
    nets = list(dict.fromkeys(asked.nets))
    for net in nets:
        _recipe(argparse.Namespace(**vars(asked), net=net), "cpu")
    if asked.runs.exists() and not asked.runs.is_dir():
        raise InputError(f"{asked.runs} is a file; runs need a folder, or a name that is still free.")
    _data(asked)  # what is wrong with the images is said once, and they are downloaded once
    device, _ = _machine(asked)
    threads = asked.threads or 1
    at_once = asked.at_once or (max(1, cpu_count() // threads) if device == "cpu" else 1)
    own = ("nets", "seeds", "at_once", "run", "traceback")
    shared = record.as_options({k: v for k, v in vars(asked).items() if k not in own} | {"threads": threads})
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
    with ThreadPoolExecutor(at_once) as pool:
        try:
            done = list(pool.map(train_one, *zip(*wanted, strict=True)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            ending.set()
            for process in at_work:
                process.terminate()
    failed = [f"{net} seed {seed}" for (net, seed), well in zip(wanted, done, strict=True) if not well]
    if failed:
        raise InputError(f"{len(failed)} of {len(wanted)} runs failed: {', '.join(failed)}; what they said is above.")
    print(f"All {len(wanted)} runs are in {asked.runs}.")


def _speed(asked: argparse.Namespace) -> None:
    device, compiled = _machine(asked)
    recipe = {"precision": asked.precision or fast_precision(device)}
    if asked.batch is not None:
        recipe["batch"] = asked.batch
    print(f"{recipe['precision']} on {device}, {torch.get_num_threads()} threads; beside a plain float32 loop")
    for speed in speeds(asked.nets, recipe, device, compiled, asked.seconds):
        print(speed, flush=True)


def _runs(asked: argparse.Namespace) -> list[record.Run]:
    return [run for root in asked.runs or [record.RECORDED] for run in record.runs_in(root)]


def _audit(asked: argparse.Namespace) -> int:
    from paper_nets import audit

    no_net = InputError(f"{asked.net!r} names no net; it must be MODULE:CALLABLE, as torchvision.models:resnet50.")
    module, _, made_by = asked.net.partition(":")
    if not all([*module.split("."), *made_by.split(".")]):
        raise no_net
    sys.path.insert(0, os.getcwd())
    try:
        make = import_module(module)
    except ModuleNotFoundError as error:
        if f"{module}.".startswith(f"{error.name}."):
            raise no_net from error
        raise  # a module of the reader's own lacks another
    try:
        make = attrgetter(made_by)(make)
    except AttributeError as error:
        raise no_net from error
    if not callable(make):
        raise no_net
    net = make if isinstance(make, torch.nn.Module) else make()
    audits = audit(net, asked.name, asked.image and tuple(asked.image))
    audits = audits if isinstance(audits, list) else [audits]
    print(*audits, sep="\n\n")
    return int(not audits[0].matches)


def _compare(asked: argparse.Namespace) -> None:
    print(comparison(_runs(asked)).to_string(index=False, na_rep=""))


def _plot(asked: argparse.Namespace) -> None:
    from paper_nets.show import run_curves

    if asked.to.suffix not in (".png", ".svg"):
        raise InputError(f"{asked.to} is no name for a picture; it must end in .png or .svg.")
    runs = _runs(asked) if asked.runs else record.recorded("cifar10", epochs="longest")
    data = sorted({run.settings["data"] for run in runs})
    if len(data) > 1:
        raise InputError(f"These runs are on {', '.join(data)}; name those of one data set, to share their axes.")
    picture = run_curves(record.table(runs), paper_ends(data[0]))
    picture.savefig(asked.to, dpi=200)
    print(f"{asked.to}: {picture.alt}.")


def _figures(asked: argparse.Namespace) -> None:
    from paper_nets import gallery  # matplotlib takes a quarter of the start of a command, and few of them draw

    gallery.check_folder(asked.to)  # before anything is trained
    editions, trained = {language: gallery.figures(language) for language in ("ko", "en")}, []
    if asked.live:
        with tqdm(total=1, bar_format="{desc}: {percentage:3.0f} % |{bar}| {remaining} left") as bar:

            def watch(done: float, doing: str) -> None:
                bar.set_description_str(doing)
                bar.update(done - bar.n)

            trained = [gallery.live(load("digits"), watch=watch)]
    for language, figures in editions.items():
        figures = sorted([*figures, *trained], key=lambda figure: figure.name)
        page = gallery.write(asked.to, figures, language)
    print(f"{len(figures)} figures are in {asked.to}; {page} shows them.")


def _keep(asked: argparse.Namespace) -> None:
    runs = _runs(asked)
    names = [record.may_keep(run, asked.to, asked.weights).name for run in runs]  # all of them or none
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"Two of these runs are named {min(twice)}; keep them in folders of their own.")
    for run in runs:
        print(f"kept in {record.keep(run, asked.to, asked.weights)}")


if __name__ == "__main__":
    sys.exit(main())
