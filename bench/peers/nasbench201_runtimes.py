#!/usr/bin/env python3
"""ONNX Runtime and OpenVINO as named peers: inference of a network of the NAS-Bench-201 space on the CPU.

    nasbench201_runtimes.py --arch 333333 --batch 1 32 --threads 2
    nasbench201_runtimes.py --check GOLDEN.json --check-only                      is it the same network?

The network is that of nasbench201_torch.py. The modes, onnxruntime and openvino, are those of common/runtimes.py; they take
turns. Times are in milliseconds.
"""
import argparse
import sys

from common import arguments
from common.machine import set_environment
from nasbench201 import arch


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--arch", type=arch.parse, default=arch.parse("333333"), help="string or six codes (333333)")
    p.add_argument("--channels", type=int, default=16, help="C, channels of the first stage (16)")
    p.add_argument("--cells", type=int, default=5, help="N, cells per stage (5)")
    p.add_argument("--classes", type=int, default=10)
    p.add_argument("--input-channels", type=int, default=3)
    p.add_argument("--size", type=int, default=32, help="height and width of the input (32)")
    p.add_argument("--batch", type=int, nargs="+", default=[1, 32], help="(1 32)")
    p.add_argument("--inference", action="store_true", help="for callers that say so to every peer; nothing else is done here")
    arguments.add_timing(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    args = p.parse_args()
    arguments.take_modes(p, args, ("onnxruntime", "openvino"))
    if args.size < 4 or args.size % 4:
        p.error("--size must be a multiple of 4")
    return args


args = parse_args()
set_environment(args.threads)
try:
    from common import runtimes
    from nasbench201 import golden, network
except ImportError as error:
    sys.exit(f"nasbench201_runtimes.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")

make = lambda *choice: network.fill_by_name(network.Network(*choice)).eval()
cases = lambda path: [(name, [arch.parse(case["arch"]), 16, 5, case["classes"]], case["input"], case["logits"])
                      for name, case in golden.forward_cases(path).items()]
macro = {name: getattr(args, name) for name in ("channels", "cells", "classes", "input_channels")}
runtimes.Peers("nasbench201", args, make, network.__file__).main(
    [args.arch, *macro.values()], [args.input_channels, args.size, args.size], {"arch": arch.text_of(args.arch), **macro}, cases,
    1e-5)
