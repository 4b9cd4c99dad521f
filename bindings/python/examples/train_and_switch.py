"""Trains a supernet for a few steps, takes two of its networks out of it, and switches between them.

The loop is Python's, each step is one call: gradients of a drawn network, then an update of the weights it shares.
"""

import numpy as np

import mathnas

data = mathnas.load_dataset("synthetic:N=1024,size=16,noise=20")
pixels, labels = data.train
images = ((pixels - np.array(data.mean)) / np.array(data.std)).astype(np.float32)

space = mathnas.SearchSpace("nasbench201", channels=8, cells=1, classes=data.classes, height=16, width=16)
supernet = mathnas.Supernet(space, seed=1)
step = mathnas.TrainingStep(supernet, momentum=0.9, weight_decay=5e-4)
schedule = mathnas.LearningRateSchedule(0.1, epochs=1, per_step=True)

rng = np.random.default_rng(0)
steps, batch = 40, 64
for i in range(steps):
    rows = rng.choice(len(images), batch, replace=False)
    result = step.backward(space.sample(seed=2, index=i % 4), image=images[rows], labels=labels[rows])
    step.update(schedule.at(0, i, steps), clip_norm=5)
    if i % 10 == 9:
        print(f"step {i + 1}: loss {result.loss:.3f}, {result.correct} of {result.rows} correct")

# Networks of it, from cheap to dear, each with running statistics of its own.
networks = {}
for i in range(4):
    choice = space.sample(seed=2, index=i)
    subnet = supernet.extract(choice)
    subnet.recalibrate(images[:512])
    networks[space.count(choice)["flops"]] = subnet.network(mean=data.mean, std=data.std, batch=16)

test_pixels, test_labels = data.test
for flops, network in sorted(networks.items()):
    print(f"{flops / 1e6:.2f} MMAC: {100 * network.score(test_pixels, test_labels):.1f} % of the test images")

# Switching is calling another one: all are ready.
budgets = [1e9, min(networks), 1e9]
for budget in budgets:
    flops = max(f for f in networks if f <= budget)
    print(f"budget {budget:.3g}: class {networks[flops].predict(test_pixels[0])[0]} by {flops / 1e6:.2f} MMAC")
