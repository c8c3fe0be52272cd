"""ResNet and DenseNet, understood by running them."""

import os

# Threads that wait are to sleep. By default they spin, and where any other program has one of two cores, a step that
# takes 30 milliseconds then takes seconds. On an idle machine sleeping costs small nets on CIFAR a sixth, which
# OMP_WAIT_POLICY=active brings back; nets on the digits take one thread (`lab.train.threads_for`). Read when PyTorch is
# loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from paper_nets.nets import build, catalog, cost, from_torchvision, plan, pretrained, published  # noqa: E402

__all__ = ["build", "catalog", "cost", "from_torchvision", "plan", "pretrained", "published"]
