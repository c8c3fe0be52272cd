"""The command line: runs that are recorded, killed and resumed, shared by processes, and refused in one sentence."""

import fcntl
import functools
import itertools
import json
import multiprocessing
import os
import pty
import random
import re
import resource
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import asdict, replace

import pandas
import pytest
import safetensors.torch
import torch
from filelock import FileLock
from PIL import Image
from torch.overrides import TorchFunctionMode

from paper_nets import cost
from paper_nets.__main__ import main
from paper_nets.lab import DIGITS, load, parallel, record, recorded, table
from paper_nets.lab.data import DATA_SETS
from paper_nets.lab.record import make, read, runs_in, settings_of
from paper_nets.lab.train import PRECISIONS, Training, default_recipe, fast_precision, in_a_sentence, seeded
from paper_nets.nets import InputError
from paper_nets.show.picture import spelled

PYTHON = [sys.executable, "-m", "paper_nets"]


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def bits(folder):
    """A run's curve but for its seconds, and all of its last state."""
    curve = pandas.read_csv(folder / "curve.csv").drop(columns="seconds")
    state = safetensors.torch.load_file(folder / "checkpoint.safetensors")
    return curve.to_csv(), {name: tensor.numpy().tobytes() for name, tensor in state.items()}


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A finished run of two epochs."""
    root = tmp_path_factory.mktemp("runs")
    assert main(["train", "plain8", "--epochs", "2", "--seed", "3", "--runs", str(root)]) == 0
    return root / "plain8-digits-2epochs-seed3"


def test_a_run_is_a_folder(run_folder):
    run = read(run_folder)
    assert (run.net, run.recipe.seed, len(run.curve), run.finished) == ("plain8", 3, 2, True)
    recipe = {**asdict(DIGITS), "epochs": 2, "seed": 3, "precision": run.recipe.precision, "init": "fan_in"}
    assert recipe.pop("stem") is None and run.settings["recipe"] == recipe
    (leg,) = run.environment
    assert leg["from_epoch"] == 1 and {"torch", "processor", "threads", "processes"} <= set(leg)
    assert list(table([run]).iteration) == [23, 46]
    assert {path.name for path in run_folder.iterdir()} == {
        "settings.json",
        "environment.json",
        "curve.csv",
        "checkpoint.safetensors",
        "run.lock",
    }


def test_the_command_of_a_run_makes_it_again(run_folder, tmp_path, monkeypatch):
    words = read(run_folder).command.split()
    assert words[:3] == ["python", "-m", "paper_nets"]
    monkeypatch.chdir(tmp_path)
    assert main(words[3:]) == 0
    assert bits(tmp_path / "runs" / run_folder.name) == bits(run_folder)


def test_a_run_without_augmentation_and_with_dropout(tmp_path):
    """The DenseNet paper's other recipe, on part of some pictures: killed and resumed, kept, and loaded again."""
    chance = random.Random(0)
    for split, count in (("train", 40), ("test", 5)):
        for name in ("noise", "more"):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            for i in range(count):
                image = Image.frombytes("RGB", (8, 8), chance.randbytes(192))
                image.save(tmp_path / "pictures" / split / name / f"{i}.png")
    asked = ["train", "densenet_bc10_k4", "--data", str(tmp_path / "pictures"), "--side", "8", "--images", "64"]
    asked += ["--no-augment", "--epochs", "3", "--batch", "16", "--threads", "1"]
    recipe = read_recipe(*asked[2:], net=asked[1])
    assert recipe == replace(
        default_recipe("densenet40_k12", "cifar10"),
        augment=False,
        dropout=0.2,
        epochs=3,
        batch=16,
        precision=recipe.precision,
    )
    with subprocess.Popen(
        [*PYTHON, *asked, "--runs", str(tmp_path / "cut")], stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.kill()
    for root in ("cut", "unbroken"):
        assert main([*asked, "--runs", str(tmp_path / root)]) == 0
    (cut,), (unbroken,) = runs_in(tmp_path / "cut"), runs_in(tmp_path / "unbroken")
    assert bits(cut.folder) == bits(unbroken.folder)
    assert cut.command == (
        "python -m paper_nets train densenet_bc10_k4 --data pictures --epochs 3 --batch 16 --no-augment "
        f"--precision {recipe.precision} --seed 0 --images 64 --side 8 --threads 1"
    )
    assert main(["keep", str(cut.folder), "--to", str(tmp_path / "kept"), "--weights"]) == 0
    (kept,) = runs_in(tmp_path / "kept")
    assert kept.weights().plan.dropout == 0.2


def test_a_whole_run_is_left_alone(run_folder, capsys):
    before = contents(run_folder)
    assert main(["train", "plain8", "--epochs", "2", "--seed", "3", "--runs", str(run_folder.parent)]) == 0
    assert capsys.readouterr().out.endswith("is finished already.\n")
    assert contents(run_folder) == before


def test_a_net_for_large_images_is_told_of_its_stem_and_trains_with_another(tmp_path, capsys):
    """ResNet-18 shrinks small images by 4 before its first block; with the stem of the CIFAR nets it does not."""
    for split, name in itertools.product(("train", "test"), "ab"):
        (tmp_path / "pictures" / split / name).mkdir(parents=True)
        for i in range(10):
            Image.frombytes("RGB", (8, 8), random.Random(i).randbytes(192)).save(
                tmp_path / "pictures" / split / name / f"{i}.png"
            )
    asked = [
        "train",
        "resnet18",
        "--data",
        str(tmp_path / "pictures"),
        "--epochs",
        "1",
        "--runs",
        str(tmp_path / "runs"),
    ]
    assert main([*asked, "--stem", "3x3"]) == 0
    assert "stem" not in capsys.readouterr().out
    (run,) = runs_in(tmp_path / "runs")
    assert run.settings["recipe"]["stem"] == run.weights().plan.stem == "3x3" and "--stem 3x3" in run.command
    assert run.cost.parameters == sum(p.numel() for p in run.weights().parameters())
    assert main(asked) == 2
    sentence(capsys.readouterr().err, r"other settings \(stem 3x3 there, None asked\)")
    assert main([*asked[:-1], str(tmp_path / "other")]) == 0
    (told, *_) = capsys.readouterr().out.splitlines()
    assert told == "resnet18 is for 224 pixels: its first layers leave 8 of 32; --stem 3x3 leaves all."
    assert "stem" not in runs_in(tmp_path / "other")[0].settings["recipe"]
    assert main([*asked[:-1], str(tmp_path / "other"), "--stem", "7x7"]) == 0  # its own
    assert "is finished already" in capsys.readouterr().out


def test_lines_where_there_is_no_terminal(tmp_path):
    asked = [*PYTHON, "train", "plain8", "--epochs", "2", "--validation", "100", "--runs", str(tmp_path)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    first, second, last = said.stdout.splitlines()
    errors = ", ".join(rf"{kind} error [\d.]+ %" for kind in ("training", "validation", "test"))
    form = rf"epoch   1 of 2: loss \d\.\d{{4}}, {errors}, \d+ s"
    assert re.fullmatch(form, first), first
    assert second.startswith("epoch   2 of 2") and last.startswith("recorded in")


def test_a_bar_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))  # rows and columns
    asked = [*PYTHON, "train", "resnet8", "--epochs", "2", "--runs", str(tmp_path)]
    with subprocess.Popen(asked, stdout=theirs, stderr=theirs, close_fds=True) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the terminal closes with the process
                break
            said += piece
    os.close(ours)
    words = said.decode()
    assert process.returncode == 0
    assert re.search(r"46/46 \[\d\d:\d\d<00:00, +[\d.]+it/s, loss \d\.\d+, training error [\d.]+ %\]", words), words


def test_killed_twenty_times_the_bits_are_those_of_an_unbroken_run(tmp_path):
    """Kill −9 at random moments, before a run's first epoch and within its later ones."""
    asked = ["train", "plain8", "--epochs", "60", "--seed", "1"]
    folder = "plain8-digits-60epochs-seed1"
    forks = multiprocessing.get_context("forkserver")  # spares twenty processes importing PyTorch
    forks.set_forkserver_preload(["paper_nets.__main__"])

    def start(root):
        process = forks.Process(target=main, args=([*asked, "--runs", str(tmp_path / root)],))
        process.start()
        return process

    def epochs(root):
        curve = tmp_path / root / folder / "curve.csv"
        return len(pandas.read_csv(curve)) if curve.exists() else 0

    def wait_for_an_epoch(root):
        begin, before = time.perf_counter(), epochs(root)
        while epochs(root) == before and time.perf_counter() - begin < 60:
            time.sleep(0.01)

    start("unbroken").join()
    chance = random.Random(0)
    for i in range(20):
        process = start("broken")
        if i % 4:
            wait_for_an_epoch("broken")
            time.sleep(chance.uniform(0, 0.2))
        else:
            time.sleep(chance.uniform(0, 1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert 0 < epochs("broken") < 60, "the kills were to fall within the run"
    assert main([*asked, "--runs", str(tmp_path / "broken")]) == 0
    assert bits(tmp_path / "broken" / folder) == bits(tmp_path / "unbroken" / folder)


class Killed(BaseException):
    """Not an Exception, so that nothing catches it."""


def test_killed_before_or_after_any_write_it_goes_on(tmp_path, digits, monkeypatch):
    """Every moment at which the folder's contents change, in the first start, the first epoch and a resumed one."""
    recipe = read_recipe("--epochs", "2")
    settings = settings_of("plain8", digits, recipe)
    put, count = os.replace, 0

    def train_on(folder, die_at=None, after=False):
        nonlocal count
        count = 0

        def replacing(part, path):
            nonlocal count
            count += 1
            if count == die_at and not after:
                raise Killed
            put(part, path)
            if count == die_at:
                raise Killed

        monkeypatch.setattr(os, "replace", replacing)
        return list(make(Training(seeded("plain8", digits, 0), digits, recipe), folder, settings))

    train_on(tmp_path / "unbroken")
    writes = count
    assert writes == 6  # settings and environment, then a checkpoint and a curve for each epoch
    for die_at in range(1, writes + 1):
        for after in (False, True):
            folder = tmp_path / f"{die_at}{after}"
            with pytest.raises(Killed):
                train_on(folder, die_at, after)
            train_on(folder)
            assert bits(folder) == bits(tmp_path / "unbroken"), (die_at, after)


def test_a_compiled_run_goes_on_to_the_bit(tmp_path):
    """The last batch of an epoch is smaller; a second shape must not change the arithmetic of the first."""
    if not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler")
    asked = [*PYTHON, "train", "plain8", "--epochs", "3", "--compile", "--runs"]
    with subprocess.Popen([*asked, str(tmp_path / "cut")], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.kill()
    for root in ("cut", "unbroken"):
        subprocess.run([*asked, str(tmp_path / root)], check=True, capture_output=True)
    (cut,), (unbroken,) = runs_in(tmp_path / "cut"), runs_in(tmp_path / "unbroken")
    assert unbroken.environment[0]["compiled"] and bits(cut.folder) == bits(unbroken.folder)


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SHARED = """
import sys
from dataclasses import replace
from torch import distributed
from paper_nets.lab import DIGITS, load, parallel, seeded
from paper_nets.lab.train import Training
import torch
if parallel.started():
    distributed.init_process_group("gloo")
digits = load("digits")
recipe = replace(DIGITS, epochs=2, batch=50, learning_rate=0.002)
training = Training(seeded("resnet8", digits, 0, norm=False), digits, recipe)
rows = [training.epoch(), training.epoch()]
if parallel.is_first():
    torch.save((rows, training.state(), parallel.processes()), sys.argv[1])
if parallel.started():
    distributed.destroy_process_group()
"""


def test_two_processes_train_as_one_does(tmp_path):
    """Without batch norm, which PyTorch synchronises on GPUs only, at a rate so low that rounding is not amplified;
    1,437 images in batches of 50 leave one of 37 to share."""
    script, found = tmp_path / "shared.py", []
    script.write_text(SHARED)
    for command in ([sys.executable], TORCHRUN):
        run = subprocess.run([*command, str(script), str(tmp_path / "end.pt")], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found.append(torch.load(tmp_path / "end.pt", weights_only=False))
    (one, ours, alone), (two, theirs, processes) = found
    assert (alone, processes) == (1, 2)
    assert [row.training_loss for row in two] == pytest.approx([row.training_loss for row in one], rel=1e-4)
    assert [row.test_error for row in two] == pytest.approx([row.test_error for row in one], abs=0.6)
    for name in ours:
        if name.startswith("net."):
            assert theirs[name].allclose(ours[name], rtol=1e-2, atol=1e-3), name


def test_several_processes_on_cpus_are_refused(tmp_path):
    """By each process on its own, since torchrun ends the others as soon as one has failed."""
    command = ["-m", "paper_nets", "train", "resnet8", "--device", "cpu", "--runs", str(tmp_path / "runs")]
    for rank, who in (("0", ""), ("1", "Process 1: ")):
        started = {**os.environ, "TORCHELASTIC_RUN_ID": "a", "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
        result = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=started)
        assert result.returncode == 2 and not (tmp_path / "runs").exists()
        said = "Several processes train one net on GPUs only; on CPUs start one process, without torchrun.\n"
        assert result.stderr == who + said


def test_a_sweep_makes_what_is_missing(tmp_path, capfd):
    asked = ["sweep", "plain8", "resnet8", "--seeds", "2", "--epochs", "1", "--at-once", "2", "--runs", str(tmp_path)]
    assert main(["train", "plain8", "--epochs", "1", "--runs", str(tmp_path)]) == 0
    assert main(asked) == 0
    said = capfd.readouterr().out
    assert said.count("is finished already") == 1 and said.count("recorded in") == 4
    assert "resnet8 seed 1: epoch   1 of 1" in said
    assert [(run.net, run.recipe.seed) for run in recorded("digits", root=tmp_path)] == [
        (net, seed) for net in ("plain8", "resnet8") for seed in (0, 1)
    ]


def test_a_sweep_tells_which_runs_failed(tmp_path, capfd):
    asked = ["sweep", "plain8", "--learning-rate", "1e30", "--epochs", "1", "--runs", str(tmp_path)]
    assert main(asked) == 2
    told = capfd.readouterr()
    assert "plain8 seed 0: The loss became nan" in told.out and "1 of 1 runs failed: plain8 seed 0" in told.err


def test_runs_are_compared_and_drawn(run_folder, tmp_path, capsys):
    assert main(["compare", str(run_folder)]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[:6] == ["plain8", "digits", "3", "46", "of", "46"] and "75002" in row
    assert main(["compare"]) == 0
    assert re.search(r"resnet56 +cifar10 +0 .* 6\.97 +[\d.]+ +853018", capsys.readouterr().out)
    assert main(["plot", str(run_folder), "--to", str(tmp_path / "curves.png")]) == 0
    assert Image.open(tmp_path / "curves.png").width >= 1800
    assert "plain-8 training" in capsys.readouterr().out
    assert main(["plot", str(run_folder.parent), "--to", str(tmp_path / "curves.svg")]) == 0
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()


def test_a_command_is_quoted_and_has_all_that_made_the_run(run_folder):
    run = record.read(run_folder)
    odd = replace(
        run,
        settings=run.settings | {"data": "my pics"},
        environment=[run.environment[0] | {"compiled": True}],
    )
    words = shlex.split(odd.command)
    assert words[:6] == ["python", "-m", "paper_nets", "train", "plain8", "--data"] and words[6] == "my pics"
    assert "--compile" in words and "--compile" not in run.command


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "There is not enough memory for this; take a smaller net"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate"), "There is not enough memory"),
        (InputError("first\nsecond"), "first"),
        (OSError(28, "No space left on device"), "This cannot be used: no space left on device."),
    ],
)
def test_other_errors_are_one_line(error, words):
    assert in_a_sentence(error).startswith(words) and "\n" not in in_a_sentence(error)


@pytest.mark.parametrize("error", [ValueError("a shape of ours"), RuntimeError("mat1 and mat2"), KeyError("net")])
def test_a_fault_of_ours_shows_its_traceback(error, monkeypatch):
    def fails(_):
        raise error

    monkeypatch.setattr("paper_nets.lab.record.runs_in", fails)
    with pytest.raises(type(error)):
        main(["compare"])


def test_traceback_shows_where_any_error_came_from():
    command = [*PYTHON, "--traceback", "train", "plain9"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" in result.stderr and "There is no net 'plain9'" in result.stderr and result.returncode != 0


def test_whoever_stops_reading_stops_it_quietly():
    command = f"{sys.executable} -m paper_nets compare | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_without_runs_the_longest_of_the_package_are_drawn(tmp_path, capsys):
    assert main(["plot", "--to", str(tmp_path / "curves.png")]) == 0
    told = capsys.readouterr().out
    whole = record.recorded("cifar10", epochs=164)
    for run in whole + [run for run in record.recorded("cifar10", epochs=15) if run.net not in {r.net for r in whole}]:
        assert f"{spelled(run.net)} training {run.curve.training_error.iloc[-1]:.1f} %" in told


def test_all_of_the_runs_are_kept_or_none(run_folder, tmp_path, digits, capsys):
    unfinished = begun(tmp_path, digits)
    kept, again = tmp_path / "kept", tmp_path / "again" / run_folder.name
    shutil.copytree(run_folder, again)
    assert main(["keep", str(run_folder), str(again), "--to", str(kept)]) == 2
    sentence(capsys.readouterr().err, "Two of these runs are named plain8")
    bare = again.rename(again.with_name("bare"))
    (bare / "checkpoint.safetensors").unlink()
    assert main(["keep", str(run_folder), str(bare), "--to", str(kept), "--weights"]) == 2
    sentence(capsys.readouterr().err, "was kept without weights")
    assert main(["keep", str(run_folder), str(unfinished), "--to", str(kept)]) == 2
    sentence(capsys.readouterr().err, "is not finished")
    assert not kept.exists()


def test_statistics_that_half_precision_cannot_hold_are_kept(run_folder, tmp_path, digits):
    """A plain net of 56 layers has running variances of millions."""
    run = record.read(run_folder)
    net = run.weights()
    net.stem[1].running_var.fill_(1e6)
    large = replace(run, folder=tmp_path / "large")
    shutil.copytree(run_folder, large.folder)
    (large.folder / "checkpoint.safetensors").unlink()
    safetensors.torch.save_file(net.state_dict(), large.folder / "weights.safetensors")
    record.keep(large, tmp_path / "kept", weights=True)
    kept = record.read(tmp_path / "kept" / "large").weights()
    assert kept.stem[1].running_var.eq(1e6).all()
    x = digits.normalise(digits.test_images[:20])
    assert torch.allclose(kept(x), net(x), atol=0.05)


def test_the_recorded_weights_make_the_recorded_nets():
    whole = [path.parent for path in record.RECORDED.glob("*/weights.safetensors")]
    assert len(whole) >= 8
    for folder in whole:
        net = record.read(folder).weights()
        assert all(tensor.isfinite().all() for tensor in net.state_dict().values()), folder
        channels, *side = record.read(folder).settings["image"]
        # A net whose statistics were lost says the same of every image.
        assert net(torch.randn(8, channels, *side)).std(0).min() > 0.01, folder


def test_a_kept_run_has_its_weights(run_folder, tmp_path, digits, capsys):
    assert main(["keep", str(run_folder), "--to", str(tmp_path), "--weights"]) == 0
    (run,) = recorded("digits", root=tmp_path)
    assert {path.name for path in run.folder.iterdir()} == {*record.FILES, "weights.safetensors"}
    net = run.weights()
    mean, std = digits.mean_and_std
    wrong = (net((digits.test_images - mean) / std).argmax(1) != digits.test_labels).float().mean() * 100
    assert wrong.item() == pytest.approx(run.curve.test_error.iloc[-1], abs=0.6)
    weights = run.folder / "weights.safetensors"
    whole = weights.read_bytes()
    for damaged in (b"", whole[:-9], safetensors.torch.save({"a": torch.zeros(1)})):
        weights.write_bytes(damaged)
        with pytest.raises(ValueError, match="weights.safetensors is damaged, or of another version; put"):
            run.weights()
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="to make them again: python -m paper_nets train plain8"):
        run.weights()


def test_speed_and_memory_are_measured(capfd):
    assert main(["speed", "densenet_bc40_k12", "--batch", "32", "--seconds", "1", "--threads", "1"]) == 0
    said = capfd.readouterr().out
    found = re.search(r"batch 32: (\d+) images per second \(plain (\d+)\), ([\d.]+) times", said)
    ours, plain, times = map(float, found.groups())
    assert times == pytest.approx(ours / plain, rel=0.05) and ours > 1
    shares = re.search(r"; convolution (\d+) %, batch norm (\d+) %, .* (\d+) %, the rest (\d+) %\n", said).groups()
    assert sum(map(int, shares)) == pytest.approx(100, abs=2) and min(map(int, shares[:3])) > 2
    if sys.platform == "linux":
        ours, plain = map(float, re.search(r"([\d.]+) GB \(plain ([\d.]+) GB\)", said).groups())
        assert 0.05 < ours < 0.7 * plain
        written, kept_then = map(float, re.search(r"as written, (\d+) images per second, ([\d.]+) GB", said).groups())
        assert written > 1 and ours < kept_then <= 1.1 * plain
        # What the forward pass keeps lies in memory at the peak, and by far not as much again.
        kept = 32 * cost("densenet_bc40_k12").activation_bytes / 1e9
        assert kept < plain < 2.5 * kept


def begun(root, digits):
    """A run of three epochs, stopped after its first."""
    recipe = read_recipe("--epochs", "3")
    settings = settings_of("plain8", digits, recipe)
    folder = root / "plain8-digits-3epochs-seed0"
    rows = make(Training(seeded("plain8", digits, 0), digits, recipe), folder, settings)
    next(rows)
    rows.close()
    return folder


def read_recipe(*options, net="plain8"):
    from paper_nets.__main__ import _parser, _recipe

    return _recipe(_parser().parse_args(["train", net, *options]), "cpu")


def test_a_full_disk_loses_no_earlier_epoch(tmp_path, digits):
    recipe = read_recipe("--epochs", "3")
    settings = settings_of("plain8", digits, recipe)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    list(make(Training(seeded("plain8", digits, 0), digits, recipe), whole, settings))
    rows = make(Training(seeded("plain8", digits, 0), digits, recipe), cut, settings)
    next(rows)
    before = contents(cut)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file may grow larger: as if the disk were full
    try:
        with pytest.raises(OSError, match="could not be written .* the epochs before are safe"):
            next(rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(cut) == before
    assert len(list(make(Training(seeded("plain8", digits, 0), digits, recipe), cut, settings))) == 2
    assert bits(cut) == bits(whole)


TRAIN = ("train", "plain8", "--epochs", "3")


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(bytes(data))


def other_run(folder):
    """Put the checkpoint of another seed in place."""
    main(["train", "plain8", "--epochs", "3", "--seed", "9", "--runs", str(folder.parent / "other")])
    (other,) = (folder.parent / "other").glob("*/checkpoint.safetensors")
    (folder / "checkpoint.safetensors").write_bytes(other.read_bytes())


def other_settings(folder, **changes):
    """Put other settings in place; ... takes one out."""
    settings = json.loads((folder / "settings.json").read_text()) | changes
    settings = {name: value for name, value in settings.items() if value is not ...}
    (folder / "settings.json").write_text(json.dumps(settings))


# The precision that a run has here unless told, and the one that it has not.
USUAL = fast_precision("cpu")
(OTHER,) = set(PRECISIONS) - {USUAL}

REFUSED_FOLDERS = [
    (lambda f: (f / "checkpoint.safetensors").write_bytes(b""), TRAIN, "checkpoint.safetensors is damaged"),
    (lambda f: (f / "checkpoint.safetensors").write_bytes(b"x" * 999), TRAIN, "is damaged"),
    (
        lambda f: (f / "checkpoint.safetensors").write_bytes((f / "checkpoint.safetensors").read_bytes()[:-9]),
        TRAIN,
        "is damaged; put a good copy in its place",
    ),
    (lambda f: flip(f / "checkpoint.safetensors"), TRAIN, "is damaged"),
    (other_run, TRAIN, "belongs to another run"),
    (
        lambda f: safetensors.torch.save_file(
            {"a": safetensors.torch.load_file(f / "checkpoint.safetensors")["chance.order"]},
            f / "checkpoint.safetensors",
        ),
        TRAIN,
        "belongs to another run",
    ),
    (lambda f: (f / "settings.json").write_text("{"), TRAIN, "settings.json is damaged"),
    (lambda f: (f / "settings.json").write_text("[]"), TRAIN, "settings.json is damaged"),
    (lambda f: (f / "settings.json").write_text('{"recipe": null}'), TRAIN, "other settings"),
    (lambda f: (f / "settings.json").write_text('{"recipe": [1]}'), TRAIN, "other settings"),
    (lambda f: (f / "environment.json").write_text("{"), TRAIN, "environment.json is damaged"),
    (lambda f: (f / "environment.json").write_text("[1]"), TRAIN, "environment.json is damaged"),
    (lambda f: (f / "settings.json").unlink(), TRAIN, "something that is not a run"),
    (lambda f: (f / "checkpoint.safetensors").unlink(), TRAIN, "without the checkpoint to go on from"),
    (lambda f: None, (*TRAIN, "--batch", "32"), r"other settings \(.*batch 64 there, 32 asked"),
    (lambda f: None, (*TRAIN, "--learning-rate", "0.2"), "learning_rate 0.1 there, 0.2 asked"),
    (lambda f: None, (*TRAIN, "--validation", "7"), "validation 0 there, 7 asked"),
    (lambda f: None, (*TRAIN, "--precision", OTHER), f"precision {USUAL} there, {OTHER} asked"),
    (lambda f: None, (*TRAIN, "--schedule", "step"), "schedule one-cycle there, step asked"),
    (lambda f: None, ("keep", "{folder}", "--to", "kept"), "is not finished: epoch 1 is its last"),
    *[
        (change, (command, "{folder}", *more), "holds a damaged run, or one of another version")
        for change in (
            lambda f: (f / "curve.csv").write_text(""),
            lambda f: (f / "curve.csv").write_text("a\n1\n2,3\n"),
            lambda f: (f / "curve.csv").write_text((f / "curve.csv").read_text().splitlines()[0] + "\n"),
            lambda f: (f / "curve.csv").write_text("epoch,iteration\n1,2\n"),
            lambda f: other_settings(f, net="plain9"),
            lambda f: other_settings(f, recipe={"epochs": 1, "speed": 9}),
            lambda f: other_settings(f, part=...),
            lambda f: other_settings(f, recipe={"epochs": 3, "batch": 64}),  # without init
        )
        for command, more in (("compare", ()), ("plot", ("--to", "no.png")), ("keep", ("--to", "kept")))
    ],
]


@pytest.mark.parametrize(("change", "asked", "words"), REFUSED_FOLDERS)
def test_a_folder_that_cannot_go_on_is_refused_and_left_alone(change, asked, words, tmp_path, digits, capsys):
    folder = begun(tmp_path, digits)
    change(folder)
    capsys.readouterr()
    before = contents(tmp_path)
    options = ["--runs", str(tmp_path)] if asked[0] == "train" else []
    assert main([word.format(folder=folder) for word in asked] + options) == 2
    sentence(capsys.readouterr().err, words)
    assert contents(tmp_path) == before


def sentence(text, words):
    assert re.search(words, text), text
    assert text.count("\n") == 1 and text.endswith(".\n") and text.count(". ") == 0, text


@pytest.mark.parametrize("curve", ["", "x", "epoch,iteration\n"])
def test_a_damaged_curve_is_written_again_from_the_checkpoint(curve, tmp_path, digits):
    folder = begun(tmp_path, digits)
    (folder / "curve.csv").write_text(curve)
    assert main([*TRAIN, "--runs", str(tmp_path)]) == 0
    assert list(read(folder).curve.epoch) == [1, 2, 3]


def test_any_flipped_bit_of_a_checkpoint_is_noticed(tmp_path, digits):
    path = begun(tmp_path, digits) / "checkpoint.safetensors"
    data, settings = path.read_bytes(), json.loads((path.parent / "settings.json").read_text())
    chance = random.Random(0)
    header = int.from_bytes(data[:8], "little")
    for place in [
        *(chance.randrange(8 + header) for _ in range(200)),
        *(chance.randrange(len(data)) for _ in range(9)),
    ]:
        broken = bytearray(data)
        broken[place] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(broken))
        with pytest.raises(ValueError, match="is damaged|belongs to another run"):
            record.read_checkpoint(path, settings)


def test_a_sweep_that_is_told_to_end_takes_its_runs_with_it(tmp_path):
    asked = [*PYTHON, "sweep", "plain8", "--epochs", "5000", "--runs", str(tmp_path)]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        process.stdout.readline()
        process.terminate()
        process.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    with FileLock(folder / "run.lock", timeout=5):  # nobody holds it any more
        assert len(read(folder).curve) >= 1


def test_a_folder_in_use_is_refused(tmp_path, digits, capsys):
    folder = begun(tmp_path, digits)
    before = contents(tmp_path)
    with FileLock(folder / "run.lock"):
        assert main([*TRAIN, "--runs", str(tmp_path)]) == 2
    sentence(capsys.readouterr().err, "Another process is at work in")
    assert contents(tmp_path) == before
    assert main([*TRAIN, "--runs", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("train resnet21", r"6n \+ 2"),
        ("train vgg19", "the nets are plain20"),
        ("train", "arguments are required: net; see python -m paper_nets train --help"),
        ("learn plain8", "invalid choice: 'learn'"),
        ("train resnet50", "each side at least 32"),
        ("train plain8 --data nowhere", "There is no folder nowhere"),
        ("train plain8 --data nowhere --side 0", "side is 0"),
        ("train plain8 --epochs 0", "epochs is 0; it must be a whole number of at least 1"),
        ("train plain8 --epochs 1.5", "invalid int value: '1.5'"),
        ("train plain8 --iterations -3", "iterations is -3"),
        ("train plain8 --epochs 3 --iterations 3", "not allowed with"),
        ("train plain8 --batch 0", "batch is 0"),
        ("train plain8 --learning-rate 0", "above 0"),
        ("train plain8 --learning-rate nan", "above 0"),
        ("train plain8 --learning-rate fast", "invalid float value"),
        ("train plain8 --schedule cosine", "invalid choice: 'cosine'"),
        ("train plain8 --momentum 1", r"momentum is 1.0; it must lie in \[0, 1\)"),
        ("train plain8 --momentum 0 --nesterov", "needs a momentum above 0"),
        ("train plain8 --weight-decay -1", "at least 0"),
        ("train plain8 --dropout 0.2", "dropout is 0.2; plain8 takes none"),
        ("train densenet22_k4 --dropout 1", r"dropout is 1.0; it must lie in \[0, 1\)"),
        ("train plain8 --images 1", "must be 2 to 1437"),
        ("train plain8 --validation -1", "validation is -1"),
        ("train plain8 --validation 1437", "at most 1427"),
        ("train plain8 --precision float64", "invalid choice: 'float64'"),
        ("train plain8 --threads 0", "threads is 0"),
        ("train plain8 --seed -1", "seed is -1"),
        ("train plain8 --seed x", "invalid int value"),
        ("train plain8 --speed 9", "unrecognized arguments: --speed 9"),
        ("sweep", "arguments are required: net"),
        ("sweep plain8 plain9", r"6n \+ 2"),
        ("sweep plain8 --seeds 0", "seeds is 0"),
        ("sweep plain8 --at-once 0", "at-once is 0"),
        ("sweep plain8 --seed 3", "unrecognized arguments: --seed 3"),
        ("sweep plain8 --data nowhere", "There is no folder nowhere"),
        ("sweep plain8 --images 1", "must be 2 to 1437"),
        ("sweep plain8 --runs site/index.html", "site/index.html is a file; runs need a folder"),
        ("train plain8 --side 64", "side is 64; it is for a folder's images"),
        ("train plain8 --fit crop", "fit is crop; it is for a folder's images"),
        ("train plain8 --threads 99999999999", "at most 1000"),
        ("train plain8 --batch 99999999999999999999", "at most 1,000,000"),
        ("train plain8 --runs /dev/null/runs", "cannot be used: not a directory"),
        ("plot {recorded} --to no/such/folder/c.png", "c.png cannot be used: no such file or directory"),
        ("speed plain9", r"6n \+ 2"),
        ("speed --seconds 0", "seconds is 0"),
        ("compare nowhere", "nowhere is neither a run"),
        ("plot --to curves.doc", r"must end in \.png or \.svg"),
        ("plot {all}", r"on cifar10, .*digits, .*; name those of one data set"),
        ("figures --to {site}", "has an index.html that is not of these figures"),
        ("figures --live --to {site}/index.html/x", "index.html is a file; figures need a folder"),
        ("keep {recorded} --to {recorded}", "lies in the run .* itself"),
        ("keep nowhere --to kept", "nowhere is neither a run"),
    ],
)
def test_wrong_input_gets_one_sentence_and_leaves_nothing_behind(asked, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (one, *_) = record.RECORDED.glob("plain20-digits*")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>my own</title>")
    there = contents(tmp_path)
    assert main(asked.format(recorded=one, all=record.RECORDED, site=tmp_path / "site").split()) == 2
    sentence(capsys.readouterr().err, words)
    assert contents(tmp_path) == there
    assert {path.name for path in tmp_path.iterdir()} == {"site"}


def test_a_process_of_several_says_what_is_wrong_with_it_alone(monkeypatch, capsys):
    """As where a folder is missing on the second machine; what the first process tells is not told again."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "some")
    monkeypatch.setenv("RANK", "1")
    assert main(["train", "resnet21"]) == 2
    sentence(capsys.readouterr().err, "Process 1: There is no net")
    error = InputError("It is said.")
    error.shared = True
    assert parallel.message_of_this_process(error, "It is said.") == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path, capsys):
    assert main(["train", "plain8", "--device", "cuda", "--runs", str(tmp_path)]) == 2
    sentence(capsys.readouterr().err, "no GPU that PyTorch can use")


def test_a_net_is_audited(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from paper_nets import build\n\ndef right():\n    return build('resnet20')\n\n"
        "def wrong():\n    return build('resnet20', shortcut='B')\n\n"
        "def broken():\n    import no_such_package\n\nmade = right()\n"
    )
    assert main(["audit", "mine:right", "resnet20"]) == 0
    assert capsys.readouterr().out.startswith("This is ResNet-20 of the paper, to the parameter: 269,722.")
    assert main(["audit", "mine:wrong", "resnet20", "--image", "3", "16", "16"]) == 1
    assert "1×1 convolution – batch norm; the paper has the identity, zeros behind" in capsys.readouterr().out
    assert main(["audit", "mine:right"]) == 0 and capsys.readouterr().out.count("This is ") == 3
    assert main(["audit", "mine:made", "resnet20"]) == 0  # a net itself
    (tmp_path / "2015my-nets.py").write_text("from mine import right\n")
    assert main(["audit", "2015my-nets:right", "resnet20"]) == 0
    capsys.readouterr()
    for asked in ("mine:nothing", "mine:nothing.__class__", "mine", "yours:net", "mine:__name__", "./mine.py:right"):
        assert main(["audit", asked, "resnet20"]) == 2
        assert capsys.readouterr().err == (
            f"{asked!r} names no net; it must be MODULE:CALLABLE, as torchvision.models:resnet50.\n"
        )
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):  # of the reader's own: its traceback
        main(["audit", "mine:broken", "resnet20"])
    (tmp_path / "faulty.py").write_text("import math\n\nmath.no_such_function\n")
    with pytest.raises(AttributeError, match="no_such_function"):
        main(["audit", "faulty:net", "resnet20"])


def test_the_printed_commands_parse():
    """Every recorded run's command is one that the command line takes, with the run's recipe."""
    from paper_nets.__main__ import _parser, _recipe

    for run in runs_in(record.RECORDED):
        asked = _parser().parse_args(run.command.split()[3:])
        assert _recipe(asked, "cpu") == run.recipe, json.dumps(run.settings)
        assert asked.data in DATA_SETS and asked.images == run.settings["part"]
        assert asked.threads == run.environment[-1]["threads"]


class Mac(TorchFunctionMode):
    """The CPU in place of Apple's GPU, without float64 as that is."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        named, there = kwargs or {}, lambda value: isinstance(value, torch.device) and value.type == "mps"
        here = lambda value: torch.device("cpu") if there(value) else value  # noqa: E731
        made = function(*map(here, args), **{name: here(value) for name, value in named.items()})
        assert not any(map(there, [*args, *named.values()])) or getattr(made, "dtype", None) != torch.float64
        return made


def test_apples_gpu_is_used_where_it_is_asked_for_and_said_to_be_untested(tmp_path, capsys, monkeypatch):
    command = ["train", "resnet8", "--epochs", "1", "--device", "mps", "--runs", str(tmp_path)]
    monkeypatch.setattr(torch.backends.mps, "is_available", functools.cache(lambda: False))
    assert main(command) == 2
    sentence(capsys.readouterr().err, "no GPU that PyTorch can use as mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", functools.cache(lambda: True))
    assert main([*command, "--precision", "bfloat16"]) == 2
    sentence(capsys.readouterr().err, "on mps it must be float32")
    with Mac():
        assert main(command) == 0
    assert "untested" in capsys.readouterr().err
    (run,) = runs_in(tmp_path)
    assert run.recipe.precision == "float32" and run.environment[0]["device"] == "mps"
