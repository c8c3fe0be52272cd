"""Weights of others in our nets, and ours in torchvision's."""

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from paper_nets.nets.catalog import DENSENET_IMAGENET, NAMES, RESNET_IMAGENET, build, plan
from paper_nets.nets.cost import cost
from paper_nets.nets.densenet import DenseNetPlan
from paper_nets.nets.parts import InputError, check_choice, evaluating

SHARED = (*(f"resnet{d}" for d in RESNET_IMAGENET), *(f"densenet{d}" for d in DENSENET_IMAGENET if d != 264))
# Published checkpoints for CIFAR-10, their size in bytes and SHA-256. Option A's zeros stand on both sides there.
AKAMASTER = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
CIFAR = {
    "resnet20": ("resnet20-12fca82f.th", 1_099_231, "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"),
    "resnet32": ("resnet32-d509ac18.th", 1_890_043, "d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850"),
    "resnet44": ("resnet44-014dd654.th", 2_680_855, "014dd6541728a1c700b1642ab640e211dc6eb8ed507d70697458dc8f8a0ae2e4"),
    "resnet56": ("resnet56-4bfd9763.th", 3_471_733, "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367"),
}
# What the shapes of weights do not tell, and a checkpoint's reader has to know.
COUNTER = "num_batches_tracked"
CONVENTIONS = {"zeros": ("behind", "both"), "stride_in": ("1x1", "3x3")}


def from_checkpoint(
    checkpoint: Mapping | str | Path,
    name: str | None = None,
    images: Tensor | None = None,
    labels: Tensor | None = None,
    **conventions: str,
) -> nn.Module:
    """Our net with the weights of a checkpoint, whichever of our nets it fits.

    Tensors are matched by shape and order, and their names do not matter, so long as a net registers its layers in the
    order of the forward pass, as nearly all do. Where other things lie around the state dict, as a trainer's, the
    largest collection of named tensors is taken.

    Args:
        checkpoint: a state dict, or what holds one; or the path of a file that `torch.save` or safetensors has made.
        name: one of the catalog's nets; without it, all are tried.
        images, labels: some hundred images as the checkpoint's net takes them (N, C, H, W), and their classes; what the
            shapes leave open is then decided by the fewest mistakes on them.
        conventions: what shapes do not tell. `zeros`, of option A: "behind" the maps, as in the authors' code, or
            "both", half before and half behind. `stride_in`, of bottlenecks: "1x1", or "3x3" as in torchvision's. One
            that no fitting net has is ignored.

    Raises:
        InputError: for what holds no weights, what fits no net, files that could run code when they are read, and
            where more than one net fits.
    """
    tensors = _tensors(checkpoint)
    for convention, value in conventions.items():
        check_choice("a convention", convention, CONVENTIONS)
        check_choice(convention, value, CONVENTIONS[convention])
    fitting = list(_fitting(tensors, NAMES if name is None else [str(name)]))
    variants = [
        (net, {**changes, **some}, state)
        for net, state, changes, misplaced in fitting
        for some in ([] if misplaced else _variants(net))
        if all(some.get(convention, value) == value for convention, value in conventions.items())
    ]
    variants = [some for some in variants if conventions.keys() <= some[1].keys()] or variants
    for net, _, _, misplaced in [] if variants else fitting:
        if misplaced:
            raise InputError(
                f"The shapes of these tensors fit {net}, but their order does not: {misplaced[1]!r} is the first that "
                f"stands in another's place, that of {misplaced[0]!r}. Give them in the order of the forward pass."
            )
    if not variants:
        shape = " × ".join(map(str, next(iter(tensors.values())).shape)) or "one number"
        fits = f"does not fit {name}" if name else f"fits none of the nets {', '.join(NAMES)}"
        raise InputError(f"A checkpoint of {len(tensors)} tensors, the first of shape {shape}, {fits}.")
    if len(variants) > 1 and images is None:
        options = [{"name": net, **{k: v for k, v in some.items() if k in CONVENTIONS}} for net, some, _ in variants]
        said = "; or ".join(", ".join(f"{key}={value!r}" for key, value in some.items()) for some in options)
        raise InputError(f"These weights fit more than one net: say {said}; or give some images and labels.")
    if images is not None and labels is None:
        raise InputError("Images need their labels, to tell which net the weights are for.")
    if len(variants) > 1 and len(labels.unique()) < 2:  # where a net that says always the same may be right
        raise InputError("All images are of one class; take some of several, to tell which net the weights are for.")
    nets = []
    for net, some, state in variants:
        made = build(net, **some)
        made.load_state_dict(state, strict=False)  # it has the counters beside
        nets.append(made)
    return nets[0] if len(nets) == 1 else min(nets, key=lambda net: _mistakes(net, images, labels))


def _variants(name: str) -> list[dict[str, str]]:
    """A net's ways of doing what shapes do not tell."""
    made = plan(name)
    if isinstance(made, DenseNetPlan) or not made.residual:
        return [{}]
    matters = {"zeros": made.shortcut == "A", "stride_in": made.block == "bottleneck"}
    some = {name: values for name, values in CONVENTIONS.items() if matters[name]}
    return [dict(zip(some, values, strict=True)) for values in product(*some.values())]


def _tensors(checkpoint) -> dict[str, Tensor]:
    """The weights and statistics of a checkpoint by their names; the counters of batch norms are left out."""
    if isinstance(checkpoint, str | Path):
        path = Path(checkpoint)
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        safe = path.suffix == ".safetensors"
        try:
            checkpoint = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise InputError(
                f"{path} holds more than tensors, and reading it could run code, or is no checkpoint. Where you "
                "trust it, load it with torch.load(path, weights_only=False), and save the tensors alone, a "
                "net's net.state_dict() or a trainer's checkpoint['state_dict']."
            ) from error
        except (EOFError, LookupError, RuntimeError, SafetensorError, ValueError) as error:
            raise InputError(f"{path} is no checkpoint: PyTorch cannot read it.") from error
    found, waiting = [("", {})], [("", checkpoint)]
    while waiting:
        key, some = waiting.pop()
        if isinstance(some, Mapping):
            found.append((key, {name: tensor for name, tensor in some.items() if isinstance(tensor, Tensor)}))
            waiting += some.items()
    tensors = max((own for _, own in found), key=len)
    if not tensors:
        raise InputError(
            f"A checkpoint is a state_dict, names with tensors, or a file of one; this is {type(checkpoint).__name__}."
        )
    names = [f"{key!r}" for key, own in found if len(own) == len(tensors)]
    if len(names) > 1:
        raise InputError(f"The checkpoint holds weights under {' and '.join(sorted(names))}; give one of them.")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}


def _fitting(tensors: dict[str, Tensor], names: Iterable[str]) -> Iterator[tuple[str, dict, dict, tuple | None]]:
    """The nets that have weights of these shapes, each with its state dict, and with the channels and classes; and
    the first two names that do not belong together."""
    kernels = [tensor for tensor in tensors.values() if tensor.dim() == 4]
    classifiers = [tensor for tensor in tensors.values() if tensor.dim() == 2]
    if not kernels or len(classifiers) != 1:
        return
    # Half of what stands in rows, but for the classifier's bias, are statistics.
    rows = sum(len(tensor) for tensor in tensors.values() if tensor.dim() == 1) - len(classifiers[0])
    parameters = sum(map(Tensor.numel, tensors.values())) - rows // 2
    for name in names:
        changes = {"num_classes": len(classifiers[0])}
        # In closed form, before a net is made: each channel of the images adds as many.
        one, two = (cost(name, in_channels=n, **changes).parameters for n in (1, 2))
        more, rest = divmod(parameters - one, two - one)
        changes["in_channels"] = 1 + more
        if not rest and any(kernel.shape[1] == 1 + more for kernel in kernels):
            with torch.device("meta"):
                net = build(name, **changes)
            state = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith(COUNTER)}
            # safetensors keeps names, but no order.
            order = next((some for some in _known_orders(name, state) if set(some) == set(tensors)), tensors)
            found = dict(zip(state, (tensors[name] for name in order), strict=False))
            if Counter(tensor.shape for tensor in state.values()) == Counter(t.shape for t in tensors.values()):
                pairs = zip(state, order, strict=True)
                apart = (pair for pair in pairs if state[pair[0]].shape != tensors[pair[1]].shape)
                yield name, found, changes, next(apart, None)


def _known_orders(name: str, state: dict[str, Tensor]) -> Iterator[list[str]]:
    """The names of a net's tensors in the order of the forward pass: ours, and torchvision's."""
    yield list(state)
    if name in SHARED:
        yield [name for name in _torchvisions_names(name, 1000) if not name.endswith(COUNTER)]


def _torchvisions_names(name: str, num_classes: int) -> list[str]:
    from torchvision import models

    with torch.device("meta"):
        return list(models.get_model(name, num_classes=num_classes).state_dict())


def _mistakes(net: nn.Module, images: Tensor, labels: Tensor) -> int:
    with evaluating(net), torch.no_grad():
        return int((net(images).argmax(1) != labels).sum())


def to_torchvision(net: nn.Module) -> dict[str, Tensor]:
    """The state dict of one of our nets under the names that torchvision's own class loads.

    Raises:
        InputError: for a net that torchvision does not have: it has the ImageNet ResNets with the stride of bottlenecks
            in the 3×3 convolution, and DenseNet-121, 161, 169 and 201.
    """
    made = getattr(net, "plan", None)
    if isinstance(made, DenseNetPlan):
        made = replace(made, memory_efficient=False, dropout=0.0)  # which have no weights
    elif made:  # what torchvision's nets have no place for: option A, and in basic blocks a choice of stride
        made = replace(made, zeros="behind", **({"stride_in": "1x1"} if made.block == "basic" else {}))
    for name in SHARED if made else ():
        changes = {key: getattr(made, key) for key in ("num_classes", "init")}
        changes |= {"stride_in": "3x3"} if getattr(plan(name), "block", "") == "bottleneck" else {}
        if made == plan(name, **changes):
            names, state = _torchvisions_names(name, made.num_classes), net.state_dict()
            if len(names) == len(state):  # of a lesioned net some are missing
                return dict(zip(names, state.values(), strict=True))
    raise InputError(
        f"to_torchvision takes one of the nets that torchvision has too: {', '.join(SHARED)}; bottlenecks with "
        "stride_in='3x3'."
    )


def pretrained(name: str) -> nn.Module:
    """A net with published weights, which are downloaded on first use: torchvision's for ImageNet, and those of
    akamaster/pytorch_resnet_cifar10 for CIFAR-10.

    torchvision's are the first published ones, trained much as the papers train; later ones owe more to their recipe.
    Those for CIFAR-10 take images normalised by ImageNet's mean and spread, as they were trained.

    Raises:
        InputError: for a net without published weights.
        ConnectionError: without a network, and for a file that is not what was published.
    """
    from torchvision import models

    if name not in (*SHARED, *CIFAR):
        raise InputError(f"There are no published weights for {name!r}; there are for {', '.join((*SHARED, *CIFAR))}.")
    try:
        if name in SHARED:
            return from_checkpoint(models.get_model(name, weights="IMAGENET1K_V1").state_dict(), name, stride_in="3x3")
        file, size, digest = CIFAR[name]
        path = Path(torch.hub.get_dir()) / "checkpoints" / file
        if not path.exists() or path.stat().st_size != size:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(AKAMASTER + file, str(path), hash_prefix=digest, progress=False)
        return from_checkpoint(path, name, zeros="both")
    except (OSError, RuntimeError) as error:
        raise ConnectionError(
            f"The weights of {name} could not be downloaded ({error}); a network is needed once."
        ) from error
