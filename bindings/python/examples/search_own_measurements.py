"""The best network of a space that one has measured oneself: block by block, with any tool, on any device.

Two nodes are enough to see it; spaces of 10^20 networks are solved the same way.
"""

import numpy as np

import mathnas

# What was measured of every candidate in place of the reference block: milliseconds, and accuracy lost.
latency = [np.array([0.20, 0.45, 0.90]), np.array([0.30, 0.55, 1.20, 2.10])]
accuracy = [np.array([3.1, 1.2, 0.0]), np.array([4.0, 2.2, 0.7, 0.0])]
flops = [np.array([10.0, 22.0, 41.0]), np.array([15.0, 30.0, 55.0, 98.0])]

table = mathnas.Table.from_dict({
    "format": "mathnas-block-table/1",
    "space": "mine",
    "nodes": [
        {"name": "stage1", "candidates": ["small", "medium", "large"], "reference": 2},
        {"name": "stage2", "candidates": ["tiny", "small", "medium", "large"], "reference": 3},
    ],
    "metrics": {
        "latency": {"unit": "ms", "goal": "min", "form": "cost", "base": 0.1, "values": latency},
        "accuracy": {"unit": "%", "goal": "max", "form": "saving", "base": 76.2, "values": accuracy},
        "flops": {"unit": "MMAC", "goal": "min", "form": "cost", "base": 5.0, "values": flops},
    },
})
print(table)

result = table.search(limits={"latency": 2.0}, top=3)
print("within 2 ms:", result.explanation)
for network in result.networks:
    print("  ", network.names, {name: round(value, 3) for name, value in network.predicted.items()})

print("front of accuracy and latency:")
for network in table.search(front="latency").front:
    print(f"   {network.predicted['latency']:.2f} ms  {network.objective:.2f} %  {network.names}")

result = table.search(limits={"latency": 0.5, "accuracy": 75})
print("within 0.5 ms, 75 % at least:", result.explanation)

# Every network at once: a candidate number per node and row.
choices = np.array(np.meshgrid(range(3), range(4))).T.reshape(-1, 2).astype(np.uint8)
predicted = mathnas.Predictor(table).predict(choices)
print(f"{len(choices)} networks, accuracy {predicted['accuracy'].min():.2f} to {predicted['accuracy'].max():.2f} %")
