"""Deterministic numbers of the specification (spec/search-spaces.md 1.2), and comparisons with golden values."""
import numpy as np


class Failed(Exception):
    pass


def uniform(name, count):
    """r: `count` numbers in [-1, 1), a function of the tensor's name alone."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    mask = np.uint64(0xFFFFFFFF)
    x = (np.uint64(h) + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B9)) & mask
    x ^= x >> np.uint64(16)
    x = x * np.uint64(0x7FEB352D) & mask
    x ^= x >> np.uint64(15)
    x = x * np.uint64(0x846CA68B) & mask
    x ^= x >> np.uint64(16)
    return 2 * x.astype(np.float64) / 2**32 - 1


def image(shape, name="input"):
    return uniform(name, int(np.prod(shape))).astype(np.float32).reshape(shape)


def value(name, shape):
    """The value of the tensor `name` of a state dict, in float64; callers round it to float32."""
    count = int(np.prod(shape))
    r = uniform(name, count)
    if name.endswith("_matrix"):
        r = np.eye(shape[0]).ravel() + 0.1 * r
    elif "rescale_" in name:
        r = 1 + 0.5 * r
    elif name.endswith("running_mean"):
        r = 0.1 * r
    elif name.endswith("running_var"):
        r = 1 + 0.5 * r
    elif len(shape) >= 2:
        r = r * np.sqrt(3 / (count / shape[0]))
    elif name.endswith("bias"):
        r = 0.1 * r
    else:
        r = 1 + 0.2 * r
    return r.reshape(shape)


def expect(what, got, want, bound):
    """The largest difference relative to the largest value wanted; Failed beyond the bound."""
    got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    off = float(np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-30))
    if not off <= bound:
        raise Failed(f"{what}: off by {off:.3g} relative to the largest value, allowed {bound:g}")
    return off


def check_itself():
    expect("generator: r(input)", uniform("input", 3), [0.28604724537581205, 0.8406892735511065, -0.6160331587307155], 1e-15)
