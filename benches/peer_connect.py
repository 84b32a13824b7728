"""One fit of weight adjustment as numpy and scipy do it: section 1.7 of the methods as it stands, and with the product of both
networks' features replaced by what A's layer computes, which is ours.

usage: peer_connect.py NAME
NAME: 784-2000-10 or 3072-6144-2000-10
Needs: numpy, scipy.
"""

import sys
import time

import numpy as np
from scipy.linalg import cho_factor, cho_solve

name = sys.argv[1]
n_images = {"784-2000-10": 60_000, "3072-6144-2000-10": 50_000}[name]
sizes = [int(size) for size in name.split("-")]
rng = np.random.default_rng(0)


def layer(n_in, n_out):
    bound = n_in**-0.5
    return rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)


images = rng.random((n_images, sizes[0]), dtype=np.float32)
first_a, first_t, second = layer(*sizes[:2]), layer(*sizes[:2]), layer(*sizes[1:3])
features_a = np.maximum(images @ first_a.T, 0)
outputs_a = features_a @ second.T


def fit(cross):
    """Seconds of the features, of the sums, of the solution; seconds of processors; the weights."""
    started, spent = time.time(), time.process_time()
    features = np.maximum(images @ first_t.T, 0)
    summing = time.time()
    gram = features.T @ features
    right = cross(features)
    solving = time.time()
    gram = gram.astype(np.float64)
    gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram) / len(gram)
    found = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), right.astype(np.float64))
    ended = time.time()
    return (summing - started, solving - summing, ended - solving), time.process_time() - spent, found


ways = {
    "as the methods write it": lambda features: (second @ (features_a.T @ features)).T,
    "with what A computes": lambda features: features.T @ outputs_a,
}
found = []
for way, cross in ways.items():
    # By the time of the processors, which does not depend on who else uses them.
    runs = [fit(cross) for _ in range(1 if sizes[1] > 4000 else 3)]
    seconds, spent, weights = min(runs, key=lambda run: run[1])
    found.append(weights)
    print(
        f"peer, weight adjustment {name}, {n_images} images, {way}: a fit {sum(seconds):.3f} s, "
        f"{spent:.3f} s of processors (features {seconds[0]:.3f}, sums {seconds[1]:.3f}, solution {seconds[2]:.3f})"
    )
difference = np.abs(found[0] - found[1]).max() / np.abs(found[0]).max()
print(f"peer, weight adjustment {name}: both ways differ by {difference:.1e} of the largest weight")
