"""Every family is an ordinary PyTorch module: the tools that a student or an engineer reaches for first take it."""

import copy
import io
import pickle

import numpy
import pytest
import torch
import torchinfo
from torch import fx, nn
from torch.func import functional_call, stack_module_state, vmap
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from paper_nets import build
from paper_nets.nets.parts import InputError

FAMILIES = {
    "plain8": {},
    "resnet8": {},
    "preact_resnet8": {"shortcut": "B"},
    "resnet18": {"blocks": (1, 1, 1, 1), "width": 8},
    "resnet50": {"blocks": (1, 1, 1, 1), "width": 8},
    "densenet13_k4": {},
    "densenet_bc16_k4": {"dropout": 0.1},
    "densenet121": {"blocks": (2, 2), "growth_rate": 4, "stem_channels": 8},
}
# A module of the first block or layer, the node that tracing gives its output, and its shape for images of 32 × 32.
NODES = {
    "plain8": ("stages.stage2.block1.F.conv1", (32, 16, 16)),
    "resnet8": ("stages.stage2.block1.W_s", (32, 16, 16)),
    "preact_resnet8": ("stages.stage3.block1.W_s.conv1", (64, 8, 8)),
    "resnet18": ("stages.stage1.block1.F.bn2", (8, 8, 8)),
    "resnet50": ("stages.stage4.block1.F.conv3", (256, 1, 1)),
    "densenet13_k4": ("stages.block2.layer3.H.conv1", (4, 16, 16)),
    "densenet_bc16_k4": ("stages.transition1.pool1", (8, 16, 16)),
    "densenet121": ("stages.block2.layer2.H.conv2", (4, 4, 4)),
}


@pytest.fixture(params=FAMILIES, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def net(name):
    torch.manual_seed(0)
    return build(name, **FAMILIES[name]).eval()


@pytest.fixture
def x():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def test_fx_traces_it(net, x):
    traced = fx.symbolic_trace(net)
    assert torch.equal(traced(x), net(x))
    assert not any(node.op == "call_function" and "check" in str(node.target) for node in traced.graph.nodes)


def test_fx_traces_it_inside_another_module(net, x):
    assert torch.equal(fx.symbolic_trace(nn.Sequential(net, nn.Softmax(1)))(x), net(x).softmax(1))


def test_features_are_extracted_by_names_that_a_reader_understands(name, net, x):
    node, shape = NODES[name]
    assert node.split(".")[-1] in dict(net.get_submodule(node.rpartition(".")[0]).named_children())
    nodes = get_graph_node_names(net)[1]
    found = [other for other in nodes if other == node or other.startswith(f"{node}.")]
    assert found
    extracted = create_feature_extractor(net, {found[-1]: "maps"})(x)["maps"]
    assert extracted.shape == (2, *shape)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_jit_traces_it(net, x):
    traced = torch.jit.trace(net, x)
    torch.testing.assert_close(traced(x), net(x))
    other = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(traced(other), net(other))


@pytest.mark.parametrize("dynamic", [False, True])
def test_it_is_exported(net, x, dynamic):
    batch = ({0: torch.export.Dim("batch")},) if dynamic else None
    exported = torch.export.export(net, (x,), dynamic_shapes=batch).module()
    torch.testing.assert_close(exported(x), net(x))
    if dynamic:
        other = torch.rand(5, 3, 32, 32)
        torch.testing.assert_close(exported(other), net(other))


@pytest.mark.filterwarnings("ignore")
def test_onnx_has_the_same_outputs(net, x):
    from onnx.reference import ReferenceEvaluator

    program = torch.onnx.export(net, (x,), dynamo=True, verbose=False)
    (out,) = ReferenceEvaluator(program.model_proto).run(None, {program.model.graph.inputs[0].name: x.numpy()})
    numpy.testing.assert_allclose(out, net(x).numpy(), rtol=1e-3, atol=1e-4)


def test_it_compiles_in_one_graph(net, x):
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(net, backend=backend, fullgraph=True)(x), net(x))
    assert len(graphs) == 1


def test_it_is_copied_pickled_and_saved(net, x):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), torch.load(file, weights_only=False)):
        assert torch.equal(other(x), net(x)) and other.plan == net.plan
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = type(net)(net.plan).eval()
    other.load_state_dict(torch.load(file))
    assert torch.equal(other(x), net(x))


def test_many_of_it_run_under_vmap(name, net, x):
    nets = [build(name, **FAMILIES[name]).eval() for _ in range(3)]
    parameters, buffers = stack_module_state(nets)
    together = vmap(lambda p, b: functional_call(net, (p, b), (x,)))(parameters, buffers)
    for one, other in zip(together, nets, strict=True):
        torch.testing.assert_close(one, other(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_takes_half_precision(net, x, dtype):
    half = copy.deepcopy(net).to(dtype)
    y = half(x.to(dtype))
    assert y.dtype == dtype
    assert (y.float() - net(x)).norm() < 0.05 * net(x).norm()


def test_channels_last_stays_so(name, net, x):
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    maps = []
    for stage in last.stages:
        stage.register_forward_hook(lambda module, inputs, output: maps.append(output))
    torch.testing.assert_close(last(x.contiguous(memory_format=torch.channels_last)), net(x))
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in maps)


def test_torchinfo_names_stem_stages_and_blocks(name, net, x):
    rows = torchinfo.summary(net, input_data=x, depth=3, verbose=0, row_settings=("var_names",)).summary_list
    named = [row.var_name for row in rows]
    assert named[:2] == [type(net).__name__, "stem"] and "head" in named
    parts = ["block1", "layer1"] if name.startswith("dense") else ["stage1", "block1"]
    assert [part for part in named if part in parts][:2] == parts
    assert not any(part.isdigit() for part in named)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 32, 32), r"The shape of the images is 3 × 32 × 32; .*image.unsqueeze\(0\)"),
        (torch.zeros(32, 32), r"The shape of the images is 32 × 32; it must be \(N, C, H, W\)\."),
        (numpy.zeros((1, 3, 32, 32)), "The images are of type ndarray; they must be a tensor"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "The images are torch.uint8; they must be floating point"),
        (torch.zeros(1, 1, 32, 32), "An image of shape 1 × 32 × 32 does not fit: this net takes 3 channels"),
        (torch.zeros(1, 3, 2, 32), "does not fit: .* each side at least 4 pixels"),
    ],
)
@pytest.mark.parametrize("name", ["resnet8", "densenet13_k4"], scope="function")
def test_a_wrong_image_gets_one_sentence(name, images, message):
    with pytest.raises(InputError, match=message):
        build(name)(images)


@pytest.mark.parametrize("name", ["densenet40_k12", "densenet121", "resnet20"], scope="function")
@pytest.mark.parametrize("init", [None, "fan_in", "fan_out"])
def test_weights_begin_as_the_papers_have_them(name, init):
    """Dense nets with √(2 / (k² · outputs)) (the authors' models/densenet.lua), the others with √(2 / fan-in)."""
    net = build(name) if init is None else build(name, init=init)
    outputs = init == "fan_out" or (init is None and name.startswith("dense"))
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2000:
            fan = module.kernel_size[0] ** 2 * (module.out_channels if outputs else module.in_channels)
            assert abs(module.weight.std().item() / (2 / fan) ** 0.5 - 1) < 5 / module.weight.numel() ** 0.5
