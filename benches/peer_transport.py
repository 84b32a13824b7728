"""Optimal transport of two networks as the authors' tools do it: POT's cost matrix and exact solver; scipy's assignment on the
same costs.

usage: peer_transport.py NAME MODES
NAME: 784-2000-10 or 3072-6144-2000-10; MODES: the folder where benches/transport.rs left the modes
Needs: numpy, scipy, safetensors. POT's network simplex runs too where POT is there and there are few units: 6,144 take it minutes.
"""

import os
import sys
import time

import numpy as np
from safetensors.numpy import load_file
from scipy.optimize import linear_sum_assignment

try:
    import ot
except ImportError:
    ot = None

name, folder = sys.argv[1:3]
MOST_UNITS_FOR_POT = 2000

modes = [load_file(os.path.join(folder, f"transport-{name}-{seed}.safetensors")) for seed in (0, 1)]
layers = sorted({key.rsplit(".", 1)[0] for key in modes[0]}, key=lambda layer: modes[0][layer + ".weight"].shape[0])
layers = layers[::-1]  # the widths fall


def vectors(weights, source, layer, after):
    """Rows [incoming, bias, outgoing] of a layer's units; incoming columns in the order that the layer before was given."""
    incoming = weights[layer + ".weight"]
    if source is not None:
        incoming = incoming[:, source]
    return np.concatenate([incoming, weights[layer + ".bias"][:, None], weights[after + ".weight"].T], 1)


def distances(x, y):
    return (x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * (x @ y.T)


source = None
for layer, after in zip(layers, layers[1:]):
    started = time.time()
    x, y = vectors(modes[0], None, layer, after), vectors(modes[1], source, layer, after)
    costs = distances(x, y)
    between = time.time()
    found = linear_sum_assignment(costs)[1]
    ended = time.time()
    mean = costs[np.arange(len(found)), found].astype(np.float64).mean()
    print(
        f"peer, transport {name}, {layer}, {len(found)} units: numpy distances {between - started:.3f} s, "
        f"scipy assignment {ended - between:.3f} s, mean squared distance {mean:.4f}"
    )
    if ot and len(x) <= MOST_UNITS_FOR_POT:
        started = time.time()
        costs = ot.dist(x, y)
        costs /= costs.max()
        between = time.time()
        masses = np.full(len(x), 1 / len(x))
        plan = ot.emd(masses, masses, costs, numItermax=10_000_000)
        pairs = plan.argmax(1)
        ended = time.time()
        mean = ((x - y[pairs]).astype(np.float64) ** 2).sum(1).mean()
        print(
            f"peer, transport {name}, {layer}, {len(found)} units: POT distances {between - started:.3f} s, "
            f"emd {ended - between:.3f} s, mean squared distance {mean:.4f}"
        )
    source = found
