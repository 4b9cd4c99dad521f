"""Loads a deployed network and classifies images, from several threads at once.

    python classify.py NETWORK.mathnas [IMAGES.npy]

NETWORK is a file that `mathnas search-network`, `mathnas deploy` or Network.save wrote, IMAGES pixels {n, height, width,
channels} (without: noise).
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import mathnas

path = sys.argv[1]
network = mathnas.Network.load(path)
print(network, network.information.get("subnet", ""))

if len(sys.argv) > 2:
    images = np.load(sys.argv[2])
else:
    images = np.random.default_rng(0).integers(0, 256, (8, *network.input_shape), dtype=np.uint8)
if not network.takes_pixels:
    images = images.astype(np.float32) / 255

names = network.classes_ or [str(i) for i in range(network.output_shape[0])]
probabilities = network.predict_proba(images)
for row in probabilities:
    best = np.argsort(row)[::-1][:3]
    print(", ".join(f"{names[i]} {100 * row[i]:.1f} %" for i in best))

# A network for each thread: calls release the GIL, so that they run side by side.
workers = 2
copies = [mathnas.Network.load(path) for _ in range(workers)]
with ThreadPoolExecutor(workers) as pool:
    parts = list(pool.map(lambda n, part: n.run(part), copies, np.array_split(images, workers)))
assert np.array_equal(np.concatenate(parts), network.run(images))
