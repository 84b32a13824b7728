"""PyTorch at the job of forward.rs: images a second of a forward pass, training steps a second, batches of 128.

usage: peer_forward.py [784-2000-10|tinyten|resnet20|vgg16]...
Needs: torch. PEER_THREADS: threads to use, default all.
"""

import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

BATCH = 128
SPAN = 2.0


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 2000), nn.ReLU(), nn.Linear(2000, 10))


def tinyten():
    layers, n_in = [], 3
    for units, kernel, stride, padding in (
        (16, 3, 1, 1), (16, 3, 1, 1), (32, 3, 2, 1), (32, 3, 1, 1), (32, 3, 1, 1), (64, 3, 2, 1), (64, 3, 1, 0), (64, 1, 1, 0),
    ):
        layers += [nn.Conv2d(n_in, units, kernel, stride, padding), nn.BatchNorm2d(units), nn.ReLU()]
        n_in = units
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Block(nn.Module):
    def __init__(self, n_in, units, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, units, 3, stride, 1, bias=False), nn.BatchNorm2d(units), nn.ReLU(),
            nn.Conv2d(units, units, 3, 1, 1, bias=False), nn.BatchNorm2d(units),
        )
        self.shortcut = nn.Sequential()
        if n_in != units:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, units, 1, stride, bias=False), nn.BatchNorm2d(units))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet20():
    blocks, n_in = [], 16
    for units in (16, 32, 64):
        for _ in range(3):
            blocks.append(Block(n_in, units, 1 if n_in == units else 2))
            n_in = units
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg16():
    layers, n_in = [], 3
    for n_convs, units in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(n_convs):
            layers += [nn.Conv2d(n_in, units, 3, padding=1), nn.ReLU()]
            n_in = units
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    return nn.Sequential(*layers, nn.Flatten(), *head)


NETWORKS = {
    "784-2000-10": (mlp, (1, 28, 28)),
    "tinyten": (tinyten, (3, 32, 32)),
    "resnet20": (resnet20, (3, 32, 32)),
    "vgg16": (vgg16, (3, 32, 32)),
}


def rate(run):
    """Runs a second, after one that is not counted."""
    run()
    started, n = time.perf_counter(), 0
    while time.perf_counter() - started < SPAN:
        run()
        n += 1
    return n / (time.perf_counter() - started)


def measure(name):
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    network, x, y = build(), torch.rand(BATCH, *shape), torch.randint(10, (BATCH,))
    network.eval()
    with torch.no_grad():
        batches = rate(lambda: network(x))
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()

    steps = rate(step)
    print(f"peer {name}: forward {batches * BATCH:.0f} images/s, training {steps:.2f} steps/s")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("PEER_THREADS", os.cpu_count())))
    for name in sys.argv[1:] or NETWORKS:
        measure(name)
