"""Images to train on: the embedded digits, CIFAR, or a folder of the reader's own pictures."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from glob import glob
from http.client import HTTPException
from math import ceil, inf
from pathlib import Path
from unicodedata import normalize

import numpy
import pandas
import torch
from filelock import FileLock
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from paper_nets.lab import parallel
from paper_nets.nets.parts import InputError, check_choice, check_whole

CIFAR = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
DATA_SETS = ("digits", *CIFAR)
# A folder of these very images may have their name.
CIFAR10_FINGERPRINT = "3f74c57e52780dae"
# The least that Pillow's modes beyond 8 bits are divided by: "I" and "I;16…" hold whole numbers, "F" fractions.
DEEP = {"I": 255, "F": 1}
# Pictures as telephones and cameras make them, which Pillow may not read.
FOREIGN = {".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw"}
# Pixels of a JPEG from which on only as many are decoded as are needed; smaller ones keep the bits that they had.
LARGE = 50_000_000
FITS = {
    "squash": (Image.Image.resize, "squashed; fit crop or pad keeps their shape"),
    "crop": (ImageOps.fit, "cut to the square in their middle"),
    "pad": (ImageOps.pad, "made square by black bars"),
}
SPLITS = (("train", "training"), ("test", "testing", "val", "valid", "validation"))


@dataclass(frozen=True, eq=False)
class Data:
    """Images (N, C, H, W) as bytes, labels (N,), and the names of the classes.

    part: how many training images were taken of the data set that this is a `subset` of; None where it is none.
    fit: how a folder's pictures were made square. notes: what else was done as they were read, in sentences.
    """

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    part: int | None = None
    fit: str = "squash"
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The name of the whole data set, where these are a `subset`."""
        return self.name.removesuffix(f"_{self.part}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """One image's (C, H, W)."""
        return tuple(self.train_images.shape[1:])

    @cached_property
    def mean_and_std(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over the training images, on the scale 0 to 255."""
        # From how often each of the 256 values occurs: exact, and without a copy of all images in floating point.
        values, statistics = torch.arange(256, dtype=torch.float64), []
        for channel in self.train_images.transpose(0, 1):
            counts = channel.flatten().bincount(minlength=256)
            std = torch.cov(values, fweights=counts).sqrt().clamp(min=1)  # a channel may never change
            statistics.append(((counts * values).sum() / counts.sum(), std))
        mean, std = torch.tensor(statistics, dtype=torch.float32).T
        return mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) of this kind as a net sees them: every channel with mean 0 and standard deviation 1."""
        mean, std = self.mean_and_std
        return (images - mean) / std

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that other images, labels or another order would change."""
        digest = hashlib.sha256()
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(str(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def subset(self, count: int) -> "Data":
        """These data with `count` of the training images, equally many of each class or one more, always the same.

        Their name says so: "digits_200".

        Raises: InputError for a number of images that there are not, and for a subset.
        """
        if self.part is not None:
            raise InputError(f"{self.name} is a subset already; take one of {self.source}, the whole data set.")
        images = len(self.train_images)
        if not (isinstance(count, int) and 2 <= count <= images):
            raise InputError(f"images is {count!r}; {self.name} has {images} to train on, so it must be 2 to {images}.")
        drawn = torch.randperm(images, generator=torch.Generator().manual_seed(0))
        labels = pandas.Series(self.train_labels[drawn].numpy())
        # All that are the first of their class, then all the second ones, and so on.
        turns = labels.groupby(labels).cumcount().to_numpy().argsort(kind="stable")
        taken = drawn[turns[:count]].sort().values
        x, y = self.train_images[taken], self.train_labels[taken]
        return replace(self, name=f"{self.name}_{count}", part=count, train_images=x, train_labels=y)

    def hold_out(self, count: int, device: torch.device) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Training and validation images with their labels, `count` of them drawn for validation, always the same.

        Of a folder's pictures about the same share of each class, at least one of two, and never a class's last.

        Raises: InputError for more images than that leaves.
        """
        images = len(self.train_images)
        most = images - len(self.train_labels.unique())
        if not 0 <= count <= most:
            has = f"{self.name} has {images} training images, of which each class keeps one"
            raise InputError(f"validation is {count}; {has}, so it must be at most {most}.")
        drawn = torch.randperm(images, generator=torch.Generator().manual_seed(0))
        if self.source not in DATA_SETS:  # the others as the recorded runs drew them
            labels = pandas.Series(self.train_labels[drawn].numpy())
            groups = labels.groupby(labels)
            # From 0 for the first of a class to 1 for its last; one that is alone (0 / 0) comes at the very end.
            turns = groups.cumcount() / (groups.transform("size") - 1)
            drawn = drawn[turns.to_numpy().argsort(kind="stable")]
        parts = (drawn[count:].sort().values, drawn[:count].sort().values) if count else (slice(None), slice(0))
        return tuple((self.train_images[part].to(device), self.train_labels[part].to(device)) for part in parts)


def load(name: str | Path, side: int = 32, fit: str = "squash") -> Data:
    """`digits`, `cifar10`, `cifar100`, or a folder laid out as train/CLASS/… and test/CLASS/…, or as CLASS/….

    A folder's images are resized to `side` × `side` pixels, in colour; `fit` is what makes them square: "squash",
    "crop" or "pad". CIFAR is downloaded on first use, beside what PyTorch keeps for its user (TORCH_HOME names another
    place), unless it lies in the folder data.

    Raises: InputError or FileNotFoundError for a folder that cannot be trained on, ConnectionError when CIFAR is not
        there and cannot be downloaded.
    """
    if name == "digits":
        return _digits()
    return _cifar(name) if name in CIFAR else _folder(Path(name), side, fit)


def noise(images: int) -> Data:
    """Random pixels of CIFAR's size, in ten classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (images,), generator=generator)
    return Data("noise", tuple("0123456789"), pixels, labels, pixels, labels)


def _digits() -> Data:
    """scikit-learn's handwritten digits, 8×8 in grey: 1,437 to train on and 360 to test on, always the same."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    images = torch.from_numpy((found.images * (255 / 16)).astype(numpy.uint8)).unsqueeze(1)
    train, test = train_test_split(numpy.arange(len(images)), test_size=0.2, stratify=found.target, random_state=0)
    labels = torch.from_numpy(found.target)
    return Data("digits", tuple("0123456789"), images[train], labels[train], images[test], labels[test])


def _cifar(name: str) -> Data:
    from torchvision import datasets

    made_by, root = getattr(datasets, name.upper()), Path("data")
    if not (root / made_by.base_folder).is_dir():
        root = Path(torch.hub.get_dir()).parent / "paper_nets"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "download.lock"):  # one of several processes downloads, the others wait
            train, test = (made_by(root, train=part, download=True) for part in (True, False))
    except (OSError, RuntimeError, HTTPException) as error:
        raise ConnectionError(
            f"{CIFAR[name]} is not in {root} and could not be downloaded "
            f"({(str(error).strip() or type(error).__name__).splitlines()[0].rstrip('.')}); "
            f"try again with a network, or give a folder of images."
        ) from error
    return Data(name, tuple(train.classes), *_in_order(train.data, train.targets), *_in_order(test.data, test.targets))


def _folder(path: Path, side: int, fit: str) -> Data:
    check_whole(side=side)
    check_choice("fit", fit, FITS)
    if not path.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path}; data is digits, cifar10, cifar100, or a folder, not an archive, with "
            f"train/CLASS/… and test/CLASS/…, or with CLASS/…."
        )
    here = {child.name.lower(): child for child in sorted(path.iterdir())}
    splits = [next((here[name] for name in names if name in here), path / names[0]) for names in SPLITS]
    if not any(split.is_dir() for split in splits):
        splits = [path]
    left_out = Counter()
    found = [_listing(split, left_out) for split in splits]
    others = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common())
    but = f", but other files ({others})" if others else ""
    for split, each in zip(splits, found, strict=True):
        if len(each) < 2:
            only = f"only the class {next(iter(each))}" if each else "no folder of images"
            raise InputError(f"{split} holds {only}{but}; it must hold at least two folders of images, one a class.")
        least = 3 - len(splits)  # one to train on and one to test on, where both lie together
        if few := [name for name, files in each.items() if len(files) < least]:
            some = "one image" if each[few[0]] else "no images"
            raise InputError(f"{split / few[0]} holds {some}{but}; it needs {least} or more, as PNG, JPEG or the like.")
    classes = tuple(found[0])
    if differ := ", ".join(sorted(set(classes) ^ set(found[-1]))):
        raise InputError(f"{splits[0]} and {splits[-1]} must hold the same classes; they differ in {differ}.")
    files = [[(file, label) for label, name in enumerate(classes) for file in each[name]] for each in found]
    scales, notes = _survey([file for split in files for file, _ in split], fit)
    if others:
        notes.append(f"Left out, since they are no pictures of a class (unpack archives first): {others}.")
    read = partial(_as_meant, scales=scales, side=side, fit=fit)
    parts = [_in_order(_each(read, [file for file, _ in split]), [label for _, label in split]) for split in files]
    if len(parts) == 1:
        notes.append(f"No folders train and test: a fifth of each class of {', '.join(classes)} is kept to test on.")
        count = max(len(files[0]) // 5, len(classes))
        parts = Data(path.resolve().name, classes, *parts[0], *parts[0]).hold_out(count, torch.device("cpu"))
    data = Data(path.resolve().name, classes, *parts[0], *parts[1], fit=fit, notes=tuple(notes))
    if data.name in DATA_SETS and not (data.name == "cifar10" and data.fingerprint == CIFAR10_FINGERPRINT):
        raise InputError(
            f"{path} is named as another data set is; rename it, so that its runs are not taken for those."
        )
    return data


def _in_order(images: Sequence[numpy.ndarray], labels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images of (H, W, C) as (N, C, H, W), and labels, in the order of label and content.

    So a run gives the same bits wherever its images were read from.
    """
    images = numpy.stack(images).transpose(0, 3, 1, 2)
    order = sorted(range(len(labels)), key=lambda i: (labels[i], images[i].tobytes()))
    return torch.from_numpy(images[order]).contiguous(), torch.tensor(labels)[order]


def _listing(path: Path, left_out: Counter) -> dict[str, list[Path]]:
    """The pictures of each class, in its folder or deeper; others are counted by their endings, hidden ones are not."""
    found, known = {}, set(Image.registered_extensions())
    for name in sorted(glob("**", root_dir=path, recursive=True)):
        file, (label, *below) = path / name, Path(name).parts
        end, label = file.suffix.lower(), normalize("NFC", label)  # a Mac may spell 개 in two letters
        if file.is_dir():
            found.setdefault(label, [])
        elif below and end in FOREIGN - known:
            raise InputError(f"{file} is a picture of a kind that cannot be read; convert it to PNG or JPEG.")
        elif below and (end in known or not end[1:].isalpha() and _is_picture(file)):
            found[label].append(file)
        else:
            left_out[end or "without an ending"] += 1
    return found


def _is_picture(file: Path) -> bool:
    """By its content, where the name does not tell, as 17 or 1.2.840."""
    with suppress(UnidentifiedImageError), Image.open(file, formats=("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")):
        return True
    return False


def _each(act: Callable, files: Sequence[Path]) -> list:
    """What `act` makes of each picture, with a bar on a terminal where it takes long."""
    made = []
    for file in tqdm(files, "Reading", delay=2, leave=False, disable=None if parallel.is_first() else True):
        try:
            with Image.open(file) as image:
                made.append(act(image))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"{file} cannot be read as an image, or is too large; remove or replace it.") from error
    return made


def _survey(files: Sequence[Path], fit: str) -> tuple[dict[str, int], list[str]]:
    """What deep grey ("I") and fractions ("F") are divided by, the least 2ⁿ − 1 that no picture exceeds; and notes."""
    seen = pandas.DataFrame(_each(_look, files), columns=["square", "several", "kind", "low", "high"])
    if wrong := seen.index[~((seen.low >= 0) & (seen.high < inf))].tolist():
        raise InputError(f"{files[wrong[0]]} has values below 0 or that are no numbers; its grey must begin at 0.")
    largest = seen.groupby("kind").high.max()
    if largest.get("colour", 255) < 64:
        raise InputError("The pictures with 16 bits of colour use only the lower ones; convert them to 8 bits.")
    scales = {kind: max(DEEP[kind], 2 ** ceil(most).bit_length() - 1) for kind, most in largest.items() if kind in DEEP}
    said = "Deep grey has values up to {:,.5g}; all pictures with it are divided by {:,}."
    notes = [said.format(largest[kind], scale) for kind, scale in scales.items()]
    if uneven := sum(~seen.square):
        notes.append(f"{uneven:,} of {len(files):,} pictures are not square; they are {FITS[fit][1]}.")
    if stacks := sum(seen.several):
        notes.append(f"{stacks:,} of {len(files):,} files hold several pictures each, of which the first is read.")
    return scales, notes


def _look(image: Image.Image) -> tuple[bool, bool, str, float, float]:
    """Whether it is square, one of several, and the kind, least and largest of its values where 8 bits don't do."""
    shape, kind = (image.width == image.height, image.format == "TIFF" and image.n_frames > 1), image.mode[0]
    if kind not in DEEP and re.search(";16[BLN]", str(image.tile)):  # of which Pillow reads the upper 8 bits
        kind, image = "colour", image.convert("RGB")
    elif kind not in DEEP:
        return *shape, "", 0, 0
    pixels = numpy.asarray(image)
    return *shape, kind, pixels.min().item(), pixels.max().item()


def _as_meant(image: Image.Image, scales: dict[str, int], side: int, fit: str) -> numpy.ndarray:
    """As it is meant to be seen: upright, deep grey in 8 bits, and what shows through on white."""
    if image.width * image.height > LARGE:
        image.draft(None, (2 * side, 2 * side))
    ImageOps.exif_transpose(image, in_place=True)
    if most := scales.get(image.mode[0]):
        image = Image.fromarray((255 * (numpy.asarray(image, dtype=float) / most)).astype(numpy.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return numpy.asarray(FITS[fit][0](image if image.mode == "RGB" else image.convert("RGB"), (side, side)))


def crop_and_flip(images: Tensor, crops: Tensor, padding: int = 4) -> Tensor:
    """The papers' augmentation of (N, C, H, W): pad with zeros, crop at a random offset, mirror half of the images.

    crops: (N, 3), drawn evenly from [0, 1): an image's offset down and right, and whether to mirror it.
    """
    n, c, h, w = images.shape
    padded = functional.pad(images, (padding,) * 4)
    here = images.device
    down, right = (crops[:, :2].T * (2 * padding + 1)).long().unsqueeze(-1)
    rows, columns = down + torch.arange(h, device=here), right + torch.arange(w, device=here)
    columns = torch.where(crops[:, 2:] < 0.5, columns.flip(1), columns)
    picked = padded[torch.arange(n, device=here).view(n, 1, 1), :, rows.view(n, h, 1), columns.view(n, 1, w)]
    return picked.permute(0, 3, 1, 2)
