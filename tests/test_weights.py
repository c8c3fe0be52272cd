"""Weights of others in our nets, and ours in torchvision's: whatever a checkpoint looks like, the outputs agree."""

import ast
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from torchvision.transforms.functional import normalize

from paper_nets import InputError, build, from_checkpoint, pretrained, show, to_torchvision
from paper_nets.lab import lesioned
from paper_nets.nets import weights
from tests.foreign import SmallResNet


def with_statistics(net):
    """Statistics and scales that differ from layer to layer."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.8, 1.2)
            for tensor in (module.bias, module.running_mean):
                nn.init.uniform_(tensor, -0.1, 0.1)
    return net


def agree(ours, theirs, side=32):
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", weights.SHARED)
def test_torchvisions_weights_give_torchvisions_outputs_both_ways(name):
    torch.manual_seed(0)
    theirs = with_statistics(models.get_model(name, num_classes=11))
    ours = from_checkpoint(theirs.state_dict(), stride_in="3x3")  # also of nets without bottlenecks
    assert ours.plan.num_classes == 11
    assert ours.stem[0].weight.data_ptr() != next(theirs.parameters()).data_ptr()
    agree(ours, theirs, 96)
    back = models.get_model(name, num_classes=11)
    back.load_state_dict(to_torchvision(ours))
    agree(back, theirs, 96)


def test_a_net_that_torchvision_does_not_have_is_refused():
    cut = lesioned(build("resnet18"), [2])
    for net in (build("resnet20"), build("resnet50"), build("resnet18", width=32), nn.Linear(2, 2), cut):
        with pytest.raises(InputError, match="resnet18, resnet34"):
            to_torchvision(net)


torch.manual_seed(0)
NET = with_statistics(build("resnet20"))
STATE = NET.state_dict()


@pytest.mark.parametrize(
    "checkpoint",
    [
        STATE,
        {"state_dict": STATE, "best_prec1": 91.7},
        {
            "epoch": 3,
            "model": STATE,
            "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": []},
        },
        {"net": {f"module.{name}": tensor for name, tensor in STATE.items()}, "acc": 92},
        {name: tensor for name, tensor in STATE.items() if "num_batches" not in name},
        {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in STATE.items()},
    ],
    ids=["bare", "state_dict", "trainer", "module.", "no counters", "half"],
)
@pytest.mark.parametrize("kind", ["here", "file", "safetensors"])
def test_checkpoints_as_people_save_them(checkpoint, kind, tmp_path):
    if kind == "file":
        torch.save(checkpoint, tmp_path / "weights.pth")
        checkpoint = tmp_path / "weights.pth"
    elif kind == "safetensors":
        if not all(isinstance(tensor, torch.Tensor) for tensor in checkpoint.values()):
            pytest.skip("safetensors holds tensors only")
        save_file(checkpoint, tmp_path / "weights.safetensors")
        checkpoint = str(tmp_path / "weights.safetensors")
    made = from_checkpoint(checkpoint, "resnet20", zeros="behind")
    assert all(parameter.dtype == torch.float32 for parameter in made.parameters())
    with torch.no_grad():
        images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(made.eval()(images), NET.eval()(images), rtol=0.02, atol=0.02)


def test_what_shapes_do_not_tell_is_asked_or_found_out():
    torch.manual_seed(1)
    for zeros in ("behind", "both"):
        theirs = with_statistics(build("resnet20", zeros=zeros)).eval()
        with pytest.raises(InputError) as error:
            from_checkpoint(theirs.state_dict())
        for said in ("say name='plain20'; or", "name='resnet20', zeros='behind'; or name='resnet20', zeros='both';"):
            assert said in str(error.value)
        images = torch.randn(200, 3, 32, 32)
        with torch.no_grad():
            theirs.head[-1].bias -= theirs(images).mean(0)  # so that all classes occur
            labels = theirs(images).argmax(1)
        found = from_checkpoint(theirs.state_dict(), images=images, labels=labels)
        assert found.plan == theirs.plan
        with pytest.raises(InputError, match="All images are of one class"):
            from_checkpoint(theirs.state_dict(), images=images, labels=0 * labels)
        with pytest.raises(InputError, match=f"say name='resnet20', zeros='{zeros}'; or") as error:
            from_checkpoint(theirs.state_dict(), zeros=zeros)
        assert "plain20" not in str(error.value)  # it has no zeros
        assert from_checkpoint(theirs.state_dict(), "resnet20", zeros=zeros).plan == theirs.plan
    assert not from_checkpoint(theirs.state_dict(), "plain20").plan.residual


def test_images_may_have_more_channels_than_the_first_maps(tmp_path):
    state = build("resnet20", in_channels=32).state_dict()
    save_file(state, tmp_path / "sorted.safetensors")
    for checkpoint in (state, tmp_path / "sorted.safetensors"):
        assert from_checkpoint(checkpoint, "resnet20", zeros="behind").plan.in_channels == 32


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("densenet121", {"memory_efficient": True}),
        ("densenet121", {"dropout": 0.2}),
        ("resnet18", {"zeros": "both"}),
        ("resnet18", {"stride_in": "3x3"}),
        ("resnet50", {"stride_in": "3x3", "zeros": "both"}),
    ],
)
def test_what_has_no_weights_does_not_keep_a_net_from_torchvision(name, changes):
    net = build(name, **changes)
    made = to_torchvision(net)
    assert all(torch.equal(*pair) for pair in zip(made.values(), net.state_dict().values(), strict=True))
    models.get_model(name).load_state_dict(made)


def test_other_peoples_zeros_are_ours():
    """A port with half of the zeros before: its weights fit our net, and only so put out the same."""
    theirs = with_statistics(SmallResNet(zeros="both"))
    # It registers its second convolution first.
    state = theirs.state_dict()
    order = ["begin.weight", *(f"begin_norm.{one}" for one in ("weight", "bias", "running_mean", "running_var"))]
    for i in range(9):
        for n in (1, 2):
            order.append(f"body.{i}.c{n}.weight")
            order += [f"body.{i}.n{n}.{one}" for one in ("weight", "bias", "running_mean", "running_var")]
    order += ["fc.weight", "fc.bias"]
    agree(from_checkpoint({name: state[name] for name in order}, "resnet20", zeros="both"), theirs)


@pytest.mark.parametrize(
    ("checkpoint", "options", "words"),
    [
        ({}, {}, "names with tensors"),
        (3, {}, "this is int"),
        ({"a": 1}, {}, "names with tensors"),
        ("no such file.pt", {}, "There is no file no such file.pt"),
        ({"a": torch.zeros(2, 2)}, {}, "A checkpoint of 1 tensors, the first of shape 2 × 2, fits none"),
        (STATE, {"name": "resnet32"}, "does not fit resnet32"),
        (
            SmallResNet().state_dict(),
            {"name": "resnet20"},
            "fit resnet20, but .* 'fc.weight' is the first .* 'stem.conv1",
        ),
        ({"model": STATE, "ema": dict(STATE)}, {}, "holds weights under 'ema' and 'model'; give one of them"),
        (STATE, {"images": torch.zeros(2, 3, 32, 32)}, "Images need their labels"),
        (STATE, {"zeros": "left"}, "zeros is 'left'; it must be one of 'behind', 'both'"),
        (STATE, {"padding": "both"}, "a convention is 'padding'"),
        (STATE, {"name": "resnet21"}, "There is no net 'resnet21'"),
        (STATE, {"name": 56}, "There is no net '56'"),
        (STATE, {"name": 0}, "There is no net '0'"),
    ],
)
def test_wrong_checkpoints_are_told(checkpoint, options, words):
    with pytest.raises(InputError, match=words):
        from_checkpoint(checkpoint, **options)


@pytest.mark.parametrize("content", [b"", b"<html>", b"epoch,loss"])
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_a_file_that_is_no_checkpoint_is_told(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} .*is no checkpoint"):
        from_checkpoint(tmp_path / name)


def test_a_file_that_could_run_code_is_not_read(tmp_path):
    with open(tmp_path / "net.pt", "wb") as file:
        pickle.dump({"state_dict": STATE, "by": Exception("an object")}, file)
    torch.save({"net": NET}, tmp_path / "whole.pt")
    for name in ("net.pt", "whole.pt"):
        with pytest.raises(InputError, match="reading it could run code.*save the tensors alone"):
            from_checkpoint(tmp_path / name)


def test_pretrained_takes_published_weights_or_says_why_not(monkeypatch, tmp_path):
    theirs = models.densenet121()
    monkeypatch.setattr(models, "get_model", lambda name, **_: theirs)
    assert torch.equal(next(pretrained("densenet121").parameters()), next(theirs.parameters()))

    # A file in the layout of the published ones, with its own size and digest.
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    published = with_statistics(build("resnet20", zeros="both"))
    asked = []

    def download(url, path, hash_prefix, progress):
        asked.append((url.rpartition("/")[2], len(hash_prefix)))
        state = {f"module.{name}": tensor for name, tensor in published.state_dict().items()}
        torch.save({"state_dict": state, "best_prec1": 91.7}, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    agree(pretrained("resnet20"), published)
    assert asked == [("resnet20-12fca82f.th", 64)]

    def unreachable(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(models, "get_model", unreachable)
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    for name in ("densenet121", "resnet32"):
        with pytest.raises(ConnectionError, match=f"{name} could not be downloaded"):
            pretrained(name)
    with pytest.raises(InputError, match="resnet18, resnet34"):
        pretrained("resnet110")


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_the_cell_for_imagenet_in_09_names_the_classes_that_torchvision_does(name, monkeypatch):
    torch.manual_seed(0)
    theirs = with_statistics(models.get_model(name)).eval()
    build_one = models.get_model
    download = lambda name, **made: theirs if made.get("weights") else build_one(name, **made)  # noqa: E731
    monkeypatch.setattr(models, "get_model", download)
    published = models.get_model_weights(name)["IMAGENET1K_V1"]
    image, preset = torch.randint(256, (3, 224, 224), dtype=torch.uint8), published.transforms()
    best = theirs(normalize(image / 255, preset.mean, preset.std)[None])[0].topk(4).indices

    space = {"torch": torch, "show": show, "normalize": normalize, "pretrained": pretrained}
    space["get_model_weights"] = models.get_model_weights
    (path,) = (Path(__file__).parents[1] / "notebooks").glob("09-*.ipynb")
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["id"] in ("cam-exact", "imagenet"):
            body = ast.parse("".join(cell["source"])).body
            functions = [node for node in body if isinstance(node, ast.FunctionDef)]
            exec(compile(ast.Module(functions, []), cell["id"], "exec"), space)
    told = space["highest_classes"](name, image).alt
    assert "4 maps, 7 × 7" in told
    assert told.split("; ")[1:] == [published.meta["categories"][i] for i in best]
