"""ResNet and DenseNet, understood by running them."""

from paper_nets.nets import build, catalog, cost, from_torchvision, plan, pretrained, published

__all__ = ["build", "catalog", "cost", "from_torchvision", "plan", "pretrained", "published"]
