"""From nothing to a service: trains a supernet, measures its blocks on this machine, and serves it within a latency that changes.

    python serve_budget.py [DATA]

DATA is what the command line takes as --data, of small images (without: made-up ones).
"""

import sys

import numpy as np

import mathnas

data = mathnas.load_dataset(sys.argv[1] if len(sys.argv) > 1 else "synthetic:N=512,size=16,noise=20")
images, labels = data.test

# Train, as `mathnas train` does. A folder in `out` makes it a run that can be interrupted.
space = mathnas.SearchSpace("nasbench201", channels=8, cells=1, classes=data.classes, height=images.shape[1],
                            width=images.shape[2], input_channels=images.shape[3])  # fmt: skip
supernet = mathnas.Supernet(space, seed=1)
recipe = mathnas.TrainingRecipe.published(space, batch=64, epochs=3)
for epoch, record in enumerate(mathnas.train(supernet, data, recipe)):
    print(f"epoch {epoch + 1}: loss {record['loss']:.3f}, {record['accuracy']:.1f} % of the training images")

# Measure: the block table of this machine.
table = mathnas.profile(supernet, data, metrics=["accuracy", "latency", "flops"], latency_rounds=4, recalibration_batches=2)
print(table)

# Serve. The first subnet is the most accurate without limits; what comes next is prepared while it serves.
with mathnas.Server(supernet, table, calibration=data, mean=data.mean, std=data.std, lanes=2) as server:
    fast, slow = table.search(limits={"latency": 0}).limits[0]["reachable"]
    for budget in (np.inf, fast + 0.5 * (slow - fast), fast + 0.1 * (slow - fast), np.inf):
        decision = server.set_budget("latency", budget)
        server.wait()  # who is content with the present subnet until then need not
        futures = [server.submit(part) for part in np.array_split(images, 4)]
        logits = np.concatenate([future.result().logits for future in futures])
        right = 100 * (logits.argmax(axis=1) == labels).mean()
        print(f"latency of at most {budget:.3g} ms: {decision.switching}, {right:.1f} % right, by {server.subnet['arch']}")

    # A budget that nothing keeps changes nothing, and says what could be kept.
    try:
        server.set_budget("latency", 1e-6)
    except RuntimeError as error:
        print(error)
    print(server.statistics)
