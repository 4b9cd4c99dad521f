"""Equations 5 and 6 of the paper in NumPy, straight from a block table's JSON; every network of a space without structure."""

import itertools
import json

import numpy as np

from common import TABLES


def load(name):
    return json.loads((TABLES / name).read_text())


def every_choice(table):
    counts = [len(n["candidates"]) for n in table["nodes"]]
    return np.array(list(itertools.product(*map(range, counts))))


def sums(metric, choices):
    return sum(np.array(v, float)[choices[:, i]] for i, v in enumerate(metric["values"]))


def linear(metric, choices):
    sign = 1 if metric["form"] == "cost" else -1
    return metric["base"] + sign * sums(metric, choices)


def by_flops(table, metric, choices, estimator, include_fixed=False):
    """Of a metric whose goal is max: its savings, weighted by mean FLOPs over those of the network."""
    flops = table["metrics"]["flops"]
    fixed = flops["base"] if include_fixed else 0.0
    everyone = every_choice(table)
    of_all = sums(flops, everyone) + fixed
    sign = 1 if metric["form"] == "saving" else -1
    total = 0.0
    for i, values in enumerate(metric["values"]):
        saving = sign * np.array(values, float)
        if estimator == "eq5":  # the mean over the networks that have this block
            saving = saving * [of_all[everyone[:, i] == j].mean() for j in range(len(values))]
        else:  # over all networks
            saving = saving * of_all.mean()
        total = total + saving[choices[:, i]]
    return metric["base"] - total / (sums(flops, choices) + fixed)


def predict(table, name, choices, estimator, include_fixed=False):
    metric = table["metrics"][name]
    if metric["goal"] == "max" and estimator != "linear":
        return by_flops(table, metric, choices, estimator, include_fixed)
    return linear(metric, choices)
