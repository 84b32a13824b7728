"""PyTorch and SciPy at the job of align_networks.rs: correlations of all layers of two untrained networks on random images, their
forward passes included, and SciPy's assignment of each group of units.

usage: peer_align.py [784-2000-10|tinyten|resnet20|vgg16]...
Needs: torch, numpy, scipy. PEER_THREADS: threads to use, default all. ALIGN_IMAGES: how many images, default 10,000.

The correlations are those of the values behind each ReLU, over images and positions; units of a residual stream are read
behind every block and get the mean.
"""

import os
import sys
import time

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import nn

from peer_forward import NETWORKS, Block

BATCH = 250
# Maps wider than this are read at every other row and column, as ours are.
LARGE_MAP = 32


class Moments:
    """Sums over samples of the units of one reading in two networks."""

    def __init__(self):
        self.n = 0
        self.sums = self.squares = self.products = 0.0

    def add(self, a, b):
        units = [self.samples(x) for x in (a, b)]
        self.n += len(units[0])
        self.sums = self.sums + torch.stack([x.sum(0, dtype=torch.float64) for x in units])
        self.squares = self.squares + torch.stack([(x * x).sum(0, dtype=torch.float64) for x in units])
        self.products = self.products + (units[0].T @ units[1]).double()

    @staticmethod
    def samples(x):
        if x.dim() == 2:
            return x
        if LARGE_MAP < x.shape[-1]:
            x = x[:, :, ::2, ::2]
        return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])

    def correlation(self):
        means = self.sums / self.n
        stds = (self.squares / self.n - means**2).clamp_min(0).sqrt()
        covariance = self.products / self.n - torch.outer(means[0], means[1])
        return torch.nan_to_num(covariance / torch.outer(stds[0], stds[1]))


def readings(network):
    """Modules whose outputs are read, by group: inner layers alone, the blocks of a stage of a residual network together."""
    groups, streams = [], {}
    for module in network:
        if isinstance(module, Block):
            groups.append([module.inner])
            streams.setdefault(module.body[4].num_features, []).append(module)
        elif isinstance(module, nn.ReLU):
            groups.append([module])
    if streams:
        stem = groups.pop(0)  # its stream is that of the first stage
        first = min(streams)
        streams[first] = stem + streams[first]
        groups += list(streams.values())
    return groups


def prepared(make):
    """A network, and where the outputs of its readings go while it runs."""
    network = make().eval()
    for module in network:
        if isinstance(module, Block):
            module.inner = module.body[2]
    groups = readings(network)
    outputs = {}
    for module in {m for group in groups for m in group}:
        module.register_forward_hook(lambda module, _, output: outputs.__setitem__(module, output))
    return network, groups, outputs


@torch.no_grad()
def align(name):
    make, shape = NETWORKS[name]
    n_images = int(os.environ.get("ALIGN_IMAGES", 10_000))
    images = torch.rand((n_images, *shape))
    (a, groups_a, at_a), (b, groups_b, at_b) = prepared(make), prepared(make)
    started = time.time()
    moments = [[Moments() for _ in group] for group in groups_a]
    for batch in images.split(BATCH):
        a(batch)
        b(batch)
        for group, in_a, in_b in zip(moments, groups_a, groups_b):
            for reading, of_a, of_b in zip(group, in_a, in_b):
                reading.add(at_a[of_a], at_b[of_b])
    scores = [(sum(m.correlation() for m in group) / len(group)).numpy() for group in moments]
    print(f"peer, align {name}, {n_images} images: correlation {time.time() - started:.3f} s")
    total = 0.0
    for matrix in scores:
        started = time.time()
        linear_sum_assignment(matrix, maximize=True)
        total += time.time() - started
        print(f"peer, align {name}, {len(matrix)} units: assignment {time.time() - started:.4f} s")
    print(f"peer, align {name}: assignments {total:.3f} s")


torch.manual_seed(0)
torch.set_num_threads(int(os.environ.get("PEER_THREADS", os.cpu_count())))
for name in sys.argv[1:] or NETWORKS:
    align(name)
