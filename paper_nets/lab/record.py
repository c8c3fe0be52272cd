"""Recorded runs: a folder each, with settings, a row for each epoch, the machine, and a checkpoint to go on from."""

import copy
import errno
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path

import pandas
import safetensors.torch
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from paper_nets.lab import parallel
from paper_nets.lab.data import DATA_SETS, Data
from paper_nets.lab.train import Epoch, Recipe, Training, Watch, changes_for, default_recipe, iterations_per_epoch
from paper_nets.nets import build, cost, plan
from paper_nets.nets.cost import NetCost
from paper_nets.nets.parts import InputError, check_choice

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
FORMAT = "paper_nets run 1"
FILES = ("settings.json", "environment.json", "curve.csv")


@dataclass(frozen=True, eq=False)
class Run:
    """A run as recorded: what was asked for, what came of each epoch, and where it ran.

    environment: one entry for each machine or setup that the run was on, with the first epoch made there.
    """

    folder: Path
    settings: dict
    environment: list[dict]
    curve: pandas.DataFrame

    @property
    def net(self) -> str:
        return self.settings["net"]

    @property
    def recipe(self) -> Recipe:
        return Recipe(**self.settings["recipe"])

    @property
    def iterations(self) -> int:
        """How many it is to take, or has taken when it is `finished`."""
        return self.settings["iterations"]

    @property
    def finished(self) -> bool:
        """Whether it went to its end."""
        return self.curve.iteration.iloc[-1] >= self.iterations

    @property
    def cost(self) -> NetCost:
        """The net's cost on its images."""
        image = tuple(self.settings["image"])
        changes = changes_for(self.net, self.recipe)
        return cost(self.net, image, in_channels=image[0], num_classes=self.settings["classes"], **changes)

    @property
    def command(self) -> str:
        """The command that makes this run again, its data as downloaded or embedded.

        A folder of images is named without its path; on another number of threads the bits would be others.
        """
        net, part, last_leg = self.net, self.settings["part"], self.environment[-1]
        data = self.settings["data"].removesuffix(f"_{part}")
        ordinary = asdict(default_recipe(net, data, self.recipe.augment))
        ordinary["augment"] = default_recipe(net, data).augment
        # The precision would else be the machine's.
        always = ("epochs", "iterations", "precision", "seed")
        chosen = {k: v for k, v in asdict(self.recipe).items() if k in always or v != ordinary[k]}
        side = None if data in DATA_SETS else self.settings["image"][1]
        chosen |= {"images": part, "side": side, "fit": self.settings.get("fit"), "threads": last_leg["threads"]}
        chosen["compile"] = last_leg.get("compiled") or None
        return "python -m paper_nets train " + shlex.join([net, "--data", data, *as_options(chosen)])

    def weights(self) -> nn.Module:
        """The trained net, in evaluation mode.

        Raises: FileNotFoundError where the run was kept without its weights, InputError where they are damaged.
        """
        path, checkpoint = self.folder / "weights.safetensors", self.folder / "checkpoint.safetensors"
        changes = {"in_channels": self.settings["image"][0], "num_classes": self.settings["classes"]}
        net = build(self.net, **changes, **changes_for(self.net, self.recipe))
        if not path.exists() and not checkpoint.exists():
            raise FileNotFoundError(f"{self.folder} was kept without weights; to make them again: {self.command}.")
        try:
            if path.exists():
                state = safetensors.torch.load_file(path)
            else:
                state, _ = read_checkpoint(checkpoint, self.settings)
                state = {name[4:]: tensor for name, tensor in state.items() if name.startswith("net.")}
            net.load_state_dict(state)
        except (SafetensorError, RuntimeError) as error:
            raise InputError(
                f"{path} is damaged, or of another version; put a good copy in its place, or remove {self.folder}."
            ) from error
        return net.eval()


def as_options(values: dict) -> list[str]:
    """Words of the command line, as --batch 64 --warm-up; None is left out."""
    words = []
    for name, value in values.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += [f"--{option}", str(value)]
    return words


def settings_of(net: str, data: Data, recipe: Recipe) -> dict:
    """All that fixes a run: what a run that goes on must have in common with its beginning."""
    images = len(data.train_images) - recipe.validation
    recipe = replace(recipe, init=recipe.init or plan(net).init)
    return {
        "net": net,
        "data": data.name,
        "part": data.part,
        "images": data.fingerprint,
        "image": list(data.shape),
        "classes": len(data.classes),
        "recipe": {k: v for k, v in asdict(recipe).items() if k != "stem" or v not in (None, plan(net).stem)},
        "iterations": recipe.steps(images),
        "iterations_per_epoch": iterations_per_epoch(images, recipe.batch),
        # Not in the runs of before, which squashed, and drew from all classes together.
        **({"fit": data.fit} if data.fit != "squash" else {}),
        **({"held_out": "by class"} if recipe.validation and data.source not in DATA_SETS else {}),
    }


def folder_of(root: Path, settings: dict) -> Path:
    """The folder under `root` for the run with these settings."""
    recipe = Recipe(**settings["recipe"])
    return root / f"{settings['net']}-{settings['data']}-{recipe.length}-seed{recipe.seed}"


def make(training: Training, folder: Path, settings: dict, watch: Watch = lambda *_: None) -> Iterator[Epoch]:
    """Train to the end, each epoch on disk, whole, before it is given.

    Where the folder holds the beginning of this very run, go on from its last whole epoch; the outcome is then the
    same, bit for bit, as without the break, on the same machine with as many threads and processes. Raises InputError
    for a folder with another run, without a checkpoint or with a damaged one, and while another process is at work in
    it, all of them before anything is written; OSError when the disk is full, which loses no epoch.
    """
    with ExitStack() as stack:
        found = parallel.first(lambda: _open(folder, settings, stack))
        if found:
            training.restore(*found)
        parallel.first(lambda: _begin(folder, settings, training))
        while not training.finished:
            row = training.epoch(watch)
            parallel.first(lambda: _save(folder, settings, training))
            yield row


def _open(folder: Path, settings: dict, stack: ExitStack) -> tuple[dict[str, Tensor], list[Epoch]] | None:
    """Take the folder for this process, as long as `stack` lasts; what its checkpoint holds, if it has one."""
    path = folder / "checkpoint.safetensors"
    if (folder / "settings.json").exists():
        differing = _differences(_json(folder / "settings.json", dict), settings)
        if differing:
            raise InputError(f"{folder} holds a run with other settings ({differing}); choose another folder.")
        if (folder / "curve.csv").exists() and not path.exists():
            raise InputError(f"{folder} holds a run without the checkpoint to go on from; choose another folder.")
    elif folder.exists() and any(file.name not in ("run.lock", "settings.json.part") for file in folder.iterdir()):
        raise InputError(f"{folder} holds something that is not a run; choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        stack.enter_context(FileLock(folder / "run.lock", timeout=0))
    except Timeout:
        raise InputError(
            f"Another process is at work in {folder}; wait for its end, or choose another folder."
        ) from None
    return read_checkpoint(path, settings) if path.exists() else None


def _begin(folder: Path, settings: dict, training: Training) -> None:
    path, epoch = folder / "environment.json", len(training.rows) + 1
    legs = [leg for leg in (_json(path, list) if path.exists() else []) if leg.get("from_epoch", epoch) < epoch]
    here = environment(training)
    if not legs or {**legs[-1], "from_epoch": 0} != {**here, "from_epoch": 0}:
        legs.append({"from_epoch": epoch, **here})
    # The settings first: a folder without them is nobody's.
    _write(folder / "settings.json", json.dumps(settings, indent=1) + "\n")
    _write(path, json.dumps(legs, indent=1) + "\n")
    if training.rows:
        _write_curve(folder, training)


def _save(folder: Path, settings: dict, training: Training) -> None:
    """The checkpoint first: it has the rows too, so a kill between the two files loses nothing."""
    state, rows = training.state(), json.dumps([asdict(row) for row in training.rows])
    facts = {"format": FORMAT, "settings": json.dumps(settings), "rows": rows}
    facts["sha256"] = _digest(state, facts)
    _write(folder / "checkpoint.safetensors", safetensors.torch.save(state, facts))
    _write_curve(folder, training)


def _write_curve(folder: Path, training: Training) -> None:
    _write(folder / "curve.csv", pandas.DataFrame(training.rows).to_csv(index=False, float_format="%.7g"))


def read_checkpoint(path: Path, settings: dict) -> tuple[dict[str, Tensor], list[Epoch]]:
    """The state and the epochs so far. Raises InputError for a damaged file, or one of another run."""
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            # Copies: the tensors of the file itself are views of it, and a file in view cannot be replaced on Windows.
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
        if facts.get("format") == FORMAT:
            if facts.pop("sha256") != _digest(state, facts):
                raise InputError("the digest differs")
            rows = [Epoch(**row) for row in json.loads(facts["rows"])]
            there = json.loads(facts["settings"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is damaged; put a good copy in its place, or remove {path.parent} to begin again."
        ) from error
    if facts.get("format") != FORMAT or _differences(there, settings):
        raise InputError(f"{path} belongs to another run; put this run's own in its place, or remove {path.parent}.")
    return state, rows


def _digest(state: dict[str, Tensor], facts: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(state):
        digest.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _differences(there: dict, asked: dict) -> str:
    """What differs, in words: "batch 128 there, 64 asked"."""
    recipe = there.get("recipe")
    there = {**there, **(recipe if isinstance(recipe, dict) else {})}
    asked = {**asked, **asked["recipe"]}
    names = [name for name in asked | there if name != "recipe" and there.get(name) != asked.get(name)]
    # What follows from the images and the recipe is told only where nothing else explains it.
    chosen = [name for name in names if name not in ("iterations_per_epoch", "image", "classes")]
    return ", ".join(f"{name} {there.get(name)} there, {asked.get(name)} asked" for name in chosen or names)


def read(folder: Path) -> Run:
    """The run in a folder.

    Raises: FileNotFoundError where there is none, or none of its epochs is finished; InputError for a damaged one.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} holds no run with a finished epoch: {', '.join(missing)} missing.")
    stats = [(folder / name).stat() for name in FILES]
    return copy.deepcopy(_read(folder, *((stat.st_mtime_ns, stat.st_size) for stat in stats)))


@lru_cache(maxsize=1000)
def _read(folder: Path, *versions: tuple[int, int]) -> Run:
    """The run in a folder whose files were written at these times, and have these sizes."""
    settings, legs = _json(folder / "settings.json", dict), _json(folder / "environment.json", list)
    try:
        curve = pandas.read_csv(folder / "curve.csv")[[field.name for field in fields(Epoch)]].astype(float)
        run = Run(folder, settings, legs, curve.astype({"epoch": int, "iteration": int}))
        _ = run.cost, run.finished, run.command, settings["recipe"]["init"]  # what they need is there
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder} holds a damaged run, or one of another version; remove it, or name others."
        ) from error
    return run


def find(folder: Path, settings: dict) -> Run | None:
    """This very run, where the folder holds an epoch of it; its checkpoint mends what else is damaged."""
    try:
        run = read(folder)
    except (FileNotFoundError, InputError):
        return None
    return None if _differences(run.settings, settings) else run


def is_finished(folder: Path, settings: dict) -> bool:
    """Whether the folder holds this very run, gone to its end."""
    run = find(folder, settings)
    return run is not None and run.finished


def runs_in(root: Path) -> list[Run]:
    """The run in this folder, or the runs in its folders, those without a finished epoch left out.

    Raises FileNotFoundError where there is none.
    """
    if (root / "curve.csv").exists():
        return [read(root)]
    # A name with a dot in front: what a killed `keep` has left.
    runs = [read(path.parent) for path in sorted(root.glob("[!.]*/curve.csv"))]
    if not runs:
        raise FileNotFoundError(f"{root} is neither a run with a finished epoch nor a folder with such runs.")
    return runs


def recorded(
    data: str, nets: Collection[str] | None = None, epochs: int | str | None = None, root: Path = RECORDED
) -> list[Run]:
    """The runs on one data set that went to their end; an empty list where none of those under `root` is.

    Args:
        nets: those of these nets; of all if not given.
        epochs: those of this length, or "longest", of each net those of its greatest length, or "alike", those of the
            greatest length that all of the nets have been run at, fit to be compared.

    Raises:
        FileNotFoundError: where no run is there at all. InputError: where the nets have no length in common.
    """
    runs = [run for run in runs_in(root) if run.settings["data"] == data and run.finished]
    runs = [run for run in runs if nets is None or run.net in nets]
    return at_length(runs, epochs) if isinstance(epochs, str) else [r for r in runs if epochs in (None, len(r.curve))]


def at_length(runs: Sequence[Run], which: str) -> list[Run]:
    """The "longest" runs of each net, or those at the greatest length that all the nets have: "alike"."""
    check_choice("epochs", which, ("longest", "alike"))
    lengths = {run.net: {other.iterations for other in runs if other.net == run.net} for run in runs}
    if which == "alike" and runs:
        if not (common := set.intersection(*lengths.values())):
            raise InputError(f"No length is common to the runs of {', '.join(lengths)}; record them at one length.")
        lengths = dict.fromkeys(lengths, common)
    return [run for run in runs if run.iterations == max(lengths[run.net])]


def keep(run: Run, root: Path, weights: bool = False) -> Path:
    """Copy a finished run without its checkpoint, its weights in half precision if asked; the new folder.

    The running statistics of batch norm stay as they are: in a deep plain net they leave half precision's range.
    Raises InputError for a run that is not finished, FileExistsError where there is one of its name, FileNotFoundError
    for one that has no weights though they are asked for.
    """
    target = may_keep(run, root, weights)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of an earlier try that was cut off
    part.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(run.folder / name, part / name)
    if weights:
        state = run.weights().state_dict().items()
        halves = {n: t.half() if t.is_floating_point() and "running" not in n else t for n, t in state}
        _write(part / "weights.safetensors", safetensors.torch.save(halves))
    os.replace(part, target)
    return target


def may_keep(run: Run, root: Path, weights: bool = False) -> Path:
    """Where `keep` would copy a run to; refuses as it does."""
    if weights:
        run.weights()
    if not run.finished:
        raise InputError(f"{run.folder} is not finished: epoch {len(run.curve)} is its last; let it go on first.")
    target = root / run.folder.name
    if target.exists():
        raise FileExistsError(f"{target} is there already; remove it first if it is to be replaced.")
    if target.resolve().is_relative_to(run.folder.resolve()):
        raise InputError(f"{root} lies in the run {run.folder} itself; name a folder outside of it.")
    return target


def table(runs: list[Run]) -> pandas.DataFrame:
    """The curves of runs in one table: net, seed, run (its folder) and the fields of `Epoch`; shallow nets first.

    Raises InputError for no runs.
    """
    if not runs:
        raise InputError("There are no runs to put into a table; choose others, or make some first.")
    runs = sorted(runs, key=lambda run: (len(run.net), run.net, run.recipe.seed))
    named = [run.curve.assign(net=run.net, seed=run.recipe.seed, run=str(run.folder)) for run in runs]
    return pandas.concat(named, ignore_index=True)


def environment(training: Training) -> dict:
    """The versions and the machine that a run depends on."""
    device, cpuinfo = training.device, Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.+)", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    processor = named[1].strip() if named else platform.processor() or platform.machine()
    return {
        "paper_nets": next((found.version for found in distributions(name="paper_nets")), "not installed"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": torch.cuda.get_device_name(device) if device.type == "cuda" else processor,
        "device": device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": parallel.processes(),
        "compiled": training.compiled,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
    }


def _json(path: Path, kind: type[dict] | type[list]) -> dict | list:
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    entries = content if kind is list else [content]
    if not isinstance(content, kind) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path} is damaged; put a good copy in its place, or remove {path.parent}.")
    return content


def _write(path: Path, content: str | bytes) -> None:
    """Write whole or not at all: a reader never sees half a file, a crash or a full disk leaves the old one."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        remedy = "make room" if error.errno == errno.ENOSPC else "see to that"
        raise OSError(
            f"{path} could not be written ({error.strerror}); the epochs before are safe, so {remedy} and start the "
            f"same command again."
        ) from error
