"""Architectures of the NAS-Bench-201 space as data (spec/search-spaces.md 2.1). Loads no library."""
import argparse

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target, source), the order of layers and strings


def parse(text):
    """The six operator names, in edge order, of an architecture string or of six codes."""
    if len(text) == 6 and text.isdigit():
        if not all(c in "01234" for c in text):
            raise argparse.ArgumentTypeError(f"operator codes are 0 to 4: {text}")
        return tuple(OPS[int(c)] for c in text)
    ops = []
    nodes = text.split("+")
    for target, node in enumerate(nodes, 1):
        entries = node.strip("|").split("|")
        if len(nodes) != 3 or len(entries) != target:
            raise argparse.ArgumentTypeError(f"not an architecture: {text}")
        for source, entry in enumerate(entries):
            name, _, where = entry.partition("~")
            if name not in OPS or where != str(source):
                raise argparse.ArgumentTypeError(f"not an architecture: {text} (at '{entry}')")
            ops.append(name)
    return tuple(ops)


def text_of(ops):
    it = iter(ops)
    return "+".join("|" + "".join(f"{next(it)}~{s}|" for s in range(t)) for t in (1, 2, 3))
