"""The architectures as the papers define them, their catalog, and what they cost."""

from paper_nets.nets.catalog import NAMES, build, catalog, plan, published
from paper_nets.nets.cost import cost
from paper_nets.nets.densenet import DenseBlock, DenseLayer, DenseNet, DenseNetPlan, Transition
from paper_nets.nets.parts import InputError
from paper_nets.nets.resnet import Block, ResNet, ResNetPlan

__all__ = ["NAMES", "Block", "DenseBlock", "DenseLayer", "DenseNet", "DenseNetPlan", "InputError", "ResNet"]
__all__ += ["ResNetPlan", "Transition", "build", "catalog", "cost", "plan", "published"]
