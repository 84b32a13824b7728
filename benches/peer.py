"""PyTorch and scipy at the jobs that the benchmarks time, written the way public tools write them.

usage: peer.py plane|bezier|train|align DATA MODES
DATA: folder with MNIST's IDX files, gzipped or not; MODES: folder with a, b and c.safetensors, MLPs 784-512-10
Needs: torch, numpy, scipy, safetensors. PEER_THREADS: threads to use, default all.
"""

import gzip
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def idx(folder, stem):
    for name, opener in ((stem, open), (stem + ".gz", gzip.open)):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with opener(path, "rb") as file:
                raw = file.read()
            shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
            return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    raise SystemExit(f"{folder} has no {stem}")


def mnist(folder, split):
    images = idx(folder, f"{split}-images-idx3-ubyte").astype(np.float32) / 255
    labels = idx(folder, f"{split}-labels-idx1-ubyte").astype(np.int64)
    return torch.from_numpy((images - 0.1307) / 0.3081), torch.from_numpy(labels)


def mlp(*sizes):
    layers = [nn.Flatten()]
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def plane(folder, modes):
    """Each point's weights are written into one module, which then sees the test images in batches of 1,000."""
    x, y = mnist(folder, "t10k")
    network = mlp(784, 512, 10)
    names = [name for name, _ in network.named_parameters()]
    side = np.linspace(-0.2, 1.2, 25)
    started, losses = time.time(), []
    with torch.no_grad():
        for v in side:
            for u in side:
                for parameter, name in zip(network.parameters(), names):
                    a, b, c = (mode[name] for mode in modes)
                    parameter.copy_((1 - u - v) * a + u * b + v * c)
                batches = zip(x.split(1000), y.split(1000))
                total = sum(F.cross_entropy(network(i), l, reduction="sum").item() for i, l in batches)
                losses.append(total / len(x))
    print(f"peer, plane 25x25: {time.time() - started:.3f} s, mean loss {np.mean(losses):.5f}")


def fit(folder, modes, bezier):
    """One epoch of SGD with Nesterov momentum on a Bezier curve's bend, or on a mode."""
    x, y = mnist(folder, "train")
    names = [name for name, _ in mlp(784, 512, 10).named_parameters()]
    a, b = ([mode[name] for name in names] for mode in modes[:2])
    trained = [((p + q) / 2 if bezier else p.clone()).requires_grad_() for p, q in zip(a, b)]
    optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, nesterov=True)
    started = time.time()
    for batch in torch.randperm(len(x)).split(128):
        weights = trained
        if bezier:
            t = torch.rand(()).item()
            points = zip(a, trained, b)
            weights = [(1 - t) ** 2 * p + 2 * t * (1 - t) * m + t**2 * q for p, m, q in points]
        hidden = F.relu(F.linear(x[batch].flatten(1), weights[0], weights[1]))
        loss = F.cross_entropy(F.linear(hidden, weights[2], weights[3]), y[batch])
        loss = loss + 0.5 * 5e-4 * sum((w * w).sum() for w in weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"peer, {'bezier' if bezier else 'train'} epoch: {time.time() - started:.3f} s")


@torch.no_grad()
def align(folder):
    """Correlation of 2,000 units of two untrained layers on 10,000 images, then the assignment."""
    from scipy.optimize import linear_sum_assignment

    images = mnist(folder, "t10k")[0].flatten(1)
    layers = [nn.Linear(784, 2000) for _ in range(2)]
    started = time.time()
    units = [F.relu(layer(images)).T for layer in layers]
    units = [(h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True) + 1e-8) for h in units]
    scores = (units[0] @ units[1].T / len(images)).numpy()
    between = time.time()
    linear_sum_assignment(scores, maximize=True)
    print(f"peer, align 2000 units: correlation {between - started:.3f} s, assignment {time.time() - between:.3f} s")


job, data_folder, modes_folder = sys.argv[1:4]
torch.manual_seed(0)
torch.set_num_threads(int(os.environ.get("PEER_THREADS", os.cpu_count())))
if job == "align":
    align(data_folder)
else:
    loaded = [load_file(os.path.join(modes_folder, f"{name}.safetensors")) for name in "abc"]
    plane(data_folder, loaded) if job == "plane" else fit(data_folder, loaded, job == "bezier")
