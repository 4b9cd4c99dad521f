#!/usr/bin/env python3
"""ONNX Runtime and OpenVINO as named peers: inference of a network of the once-for-all MobileNetV3 space on the CPU.

    mobilenetv3_runtimes.py --subnet largest --batch 1 32 --size 224 --threads 2
    mobilenetv3_runtimes.py --check GOLDEN.json --check-only                      is it the same network?

The network is that of mobilenetv3_torch.py. The modes, onnxruntime and openvino, are those of common/runtimes.py; they take
turns. Times are in milliseconds.
"""
import argparse
import sys

from common import arguments
from common.machine import set_environment
from mobilenetv3 import subnet


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--subnet", type=subnet.parse, default=subnet.parse("largest"), help="a name or JSON (largest)")
    p.add_argument("--width", type=float, choices=(1.0, 1.2), default=1.0, help="width factor (1.0)")
    p.add_argument("--size", type=int, default=224, help="height and width of the input (224)")
    p.add_argument("--batch", type=int, nargs="+", default=[1, 32], help="(1 32)")
    p.add_argument("--inference", action="store_true", help="for callers that say so to every peer; nothing else is done here")
    arguments.add_timing(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    args = p.parse_args()
    arguments.take_modes(p, args, ("onnxruntime", "openvino"))
    if args.size < 32:
        p.error("--size must be at least 32")
    return args


args = parse_args()
set_environment(args.threads)
try:
    from common import runtimes
    from mobilenetv3 import golden, network
except ImportError as error:
    sys.exit(f"mobilenetv3_runtimes.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")

make = lambda choice, width: network.make(choice, width).eval()
cases = lambda path: [(name, [choice, width], shape, want) for name, choice, width, shape, want, _ in golden.forward_cases(path)]
runtimes.Peers("mobilenetv3", args, make, network.__file__).main(
    [args.subnet, args.width], [3, args.size, args.size], {"subnet": args.subnet, "width": args.width}, cases, 1e-5)
