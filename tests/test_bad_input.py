"""Bad input gets one sentence that says what was wrong and what would be right."""

import itertools
import shutil

import pytest
import torch

from paper_nets import build, cost, published
from paper_nets.lab import Recipe, load
from paper_nets.nets import DenseNet, DenseNetPlan, ResNet, ResNetPlan

BAD_NETS = {
    "resnet21": ({}, "6n \\+ 2 .*resnet20, resnet32"),
    "plain50x": ({}, "the nets are plain20"),
    "resnet": ({}, "the nets are plain20"),
    "ResNet-20": ({}, r"\(did you mean resnet20\?\); the nets are plain20"),
    "ResNet-26": ({}, r"did you mean resnet26\?"),
    "residual-56": ({}, r"did you mean resnet56\?"),
    "DenseNet-BC (L = 100, k = 12)": ({}, r"did you mean densenet_bc100_k12\?"),
    "resnet2": ({}, "6n \\+ 2"),
    "plain19": ({}, "18, 34, 164 or 1001 layers"),
    "preact_resnet18": ({}, "164 or 1001"),
    "plain50": ({}, "but not 50 or 152"),
    "preact_resnet152": ({}, "but not 50 or 152"),
    "densenet120": ({}, "121, 161, 169, 201, 264"),
    "densenet41_k12": ({}, "L = 3n \\+ 4"),
    "densenet_bc41_k12": ({}, "L = 6n \\+ 4"),
    "densenet40_k0": ({}, "k of at least 1"),
    "vgg19": ({}, "the nets are plain20"),
    "resnet020": ({}, "the nets are plain20"),
    "resnet60000002": ({}, "the nets are plain20"),
    "densenet40_k99999999999999999999": ({}, "the nets are plain20"),
}
BAD_CHANGES = [
    ("densenet121", {"growth_rate": 0}, "growth_rate is 0; it must be a whole number of at least 1"),
    ("densenet121", {"growth_rate": 1.5}, "growth_rate is 1.5"),
    ("densenet121", {"compression": 0}, r"θ must lie in \(0, 1\]"),
    ("densenet121", {"compression": 1.5}, r"θ must lie in \(0, 1\]"),
    ("densenet121", {"compression": "half"}, r"θ must lie in \(0, 1\]"),
    ("densenet121", {"compression": 0.001}, "without channels"),
    ("densenet121", {"blocks": ()}, "tuple of whole numbers"),
    ("densenet121", {"blocks": [6, 12]}, "tuple of whole numbers"),
    ("densenet121", {"blocks": 6}, "tuple of whole numbers"),
    ("resnet20", {"width": (16,)}, r"width is \(16,\)"),
    ("densenet121", {"dropout": 1}, r"\[0, 1\)"),
    ("resnet20", {"shortcut": "D"}, "one of 'A', 'B', 'C'"),
    ("resnet20", {"stride_in": "2x2"}, "one of '1x1', '3x3'"),
    ("resnet20", {"block": "wide"}, "one of 'basic', 'bottleneck'"),
    ("resnet20", {"residual": "yes"}, "must be True or False"),
    ("resnet20", {"width": 0}, "width is 0"),
    ("resnet20", {"in_channels": True}, "in_channels is True"),
    ("resnet20", {"growth_rate": 12}, "no argument 'growth_rate'; its arguments are blocks"),
    ("resnet20", {"stem": "5x5"}, "one of '3x3', '7x7'"),
]


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and text.count(". ") == 0, text


@pytest.mark.parametrize("name", BAD_NETS)
def test_names_of_no_net(name):
    changes, words = BAD_NETS[name]
    with pytest.raises(ValueError, match=words) as error:
        build(name, **changes)
    one_sentence(error)


@pytest.mark.parametrize(("net", "plan"), [(ResNet, "resnet20"), (ResNet, DenseNetPlan()), (DenseNet, ResNetPlan())])
def test_a_plan_of_no_such_net(net, plan):
    with pytest.raises(ValueError, match=f"plan is .*; it must be a {net.__name__}Plan, and build makes") as error:
        net(plan)
    one_sentence(error)


@pytest.mark.parametrize(("name", "changes", "words"), BAD_CHANGES)
def test_arguments_of_no_net(name, changes, words):
    for call in (build, cost):
        with pytest.raises(ValueError, match=words) as error:
            call(name, **changes)
        one_sentence(error)


@pytest.mark.parametrize(
    ("name", "image", "words"),
    [
        ("resnet20", (3, 1, 1), "3 channels × height × width, each side at least 4"),
        ("densenet40_k12", (3, 3, 32), "at least 4"),
        ("resnet50", (3, 16, 224), "at least 32"),
        ("densenet121", (1, 224, 224), "takes 3 channels"),
    ],
)
def test_images_that_do_not_fit(name, image, words):
    net = build(name)
    for call in (lambda: net(torch.zeros(2, *image)), lambda: cost(name, image)):
        with pytest.raises(ValueError, match=words) as error:
            call()
        one_sentence(error)


def test_the_smallest_image_that_is_promised_works():
    for name in ("resnet20", "densenet40_k12"):
        build(name).eval()(torch.zeros(1, 3, 4, 4))
    for name in ("resnet18", "densenet121"):
        build(name).eval()(torch.zeros(1, 3, 32, 32))


def test_other_wrong_things(tmp_path):
    with pytest.raises(ValueError, match="tables are claims, densenet_cifar_svhn"):
        published("resnet")
    with pytest.raises(TypeError, match="not Linear"):
        cost(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="only beside a name"):
        cost(build("resnet20"), width=3)
    for wrong, words in (
        ({"learning_rate": float("nan")}, "above 0"),
        ({"learning_rate": 0}, "above 0"),
        ({"batch": 1.5}, "batch is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            Recipe(epochs=1, **wrong)
        one_sentence(error)
    with pytest.raises(ValueError, match="at least 1"):
        Recipe(epochs=0)
    with pytest.raises(ValueError, match="one of 'step', 'one-cycle'"):
        Recipe(epochs=1, schedule="cosine")


def test_folders_that_cannot_be_trained_on(tmp_path):
    from PIL import Image

    def picture(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(path)

    def refused(words, kind=ValueError):
        with pytest.raises(kind, match=words) as error:
            load(str(tmp_path / "pictures"))
        one_sentence(error)

    refused("There is no folder", FileNotFoundError)
    with pytest.raises(ValueError, match="side is 0"):
        load(str(tmp_path), side=0)
    (tmp_path / "pictures").mkdir()
    refused("no folder of images")
    picture(tmp_path / "pictures/train/cat/1.png")
    refused("only the class cat")
    picture(tmp_path / "pictures/train/dog/1.png")
    refused("test holds no folder of images")
    picture(tmp_path / "pictures/test/cat/1.png")
    picture(tmp_path / "pictures/test/cow/1.png")
    refused("differ in cow, dog")
    (tmp_path / "pictures/test/cow").rename(tmp_path / "pictures/test/dog")
    (tmp_path / "pictures/train/dog/1.png").rename(tmp_path / "pictures/train/dog/1.txt")
    refused("dog holds no images")
    (tmp_path / "pictures/train/dog/1.txt").rename(tmp_path / "pictures/train/dog/1.png")
    (tmp_path / "pictures/test/dog/1.png").write_bytes(b"no picture")
    refused("cannot be read as an image")
    (tmp_path / "pictures/test/dog/1.png").rename(tmp_path / "pictures/test/dog/1.HEIC")
    refused("1.HEIC is a picture of a kind that cannot be read; convert it")
    (tmp_path / "pictures/test/dog/1.HEIC").unlink()
    picture(tmp_path / "pictures/test/dog/1.png")
    for name in ("digits", "cifar10"):
        (tmp_path / "elsewhere" / name).parent.mkdir(exist_ok=True)
        shutil.copytree(tmp_path / "pictures", tmp_path / "elsewhere" / name)
        with pytest.raises(ValueError, match="is named as another data set is; rename it") as error:
            load(str(tmp_path / "elsewhere" / name))
        one_sentence(error)
    for hidden in ("train/.ipynb_checkpoints/1.png", "train/dog/._1.png"):  # as JupyterLab and macOS leave them
        picture(tmp_path / "pictures" / hidden)
        (tmp_path / "pictures" / hidden).write_bytes(b"no picture")
    data = load(str(tmp_path / "pictures"), side=16)
    assert data.shape == (3, 16, 16) and data.classes == ("cat", "dog") and len(data.train_images) == 2


def test_what_shows_through_is_white(tmp_path):
    from PIL import Image

    for part, label in itertools.product(("train", "test"), ("a", "b")):
        (tmp_path / "pictures" / part / label).mkdir(parents=True)
        half = Image.new("RGBA", (8, 8), (255, 0, 0, 255 if label == "a" else 0))
        half.save(tmp_path / "pictures" / part / label / "1.png")
    data = load(str(tmp_path / "pictures"), side=8)
    assert data.train_images[0, :, 0, 0].tolist() == [255, 0, 0]
    assert data.train_images[1, :, 0, 0].tolist() == [255, 255, 255]
