#!/usr/bin/env python3
"""ONNX Runtime and OpenVINO as named peers: inference of a network of the NASViT space on the CPU.

    supervit_runtimes.py --subnet t3 --batch 1 --threads 2
    supervit_runtimes.py --check GOLDEN.json --check-only                      is it the same network?

The network is that of supervit_torch.py. The modes, onnxruntime and openvino, are those of common/runtimes.py; they take
turns. Times are in milliseconds.
"""
import argparse
import sys

from common import arguments
from common.machine import set_environment
from supervit import subnet


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--subnet", type=subnet.parse, default=subnet.parse("smallest"), help="a name or JSON (smallest)")
    p.add_argument("--batch", type=int, nargs="+", default=[1], help="(1)")
    p.add_argument("--inference", action="store_true", help="for callers that say so to every peer; nothing else is done here")
    arguments.add_timing(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    args = p.parse_args()
    arguments.take_modes(p, args, ("onnxruntime", "openvino"))
    return args


args = parse_args()
set_environment(args.threads)
try:
    from common import runtimes
    from supervit import golden, network
except ImportError as error:
    sys.exit(f"supervit_runtimes.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")

make = lambda choice: network.make(choice).eval()
cases = lambda path: [(name, [choice], shape, want) for name, choice, shape, want, _ in golden.forward_cases(path)]
side = args.subnet["resolution"]
runtimes.Peers("supervit", args, make, network.__file__).main(
    [args.subnet], [3, side, side], {"subnet": args.subnet}, cases, 1e-4)
