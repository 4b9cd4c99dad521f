#!/usr/bin/env python3
"""PyTorch as the named peer: a NAS-Bench-201 network, one training step or one inference, timed on the CPU.

    nasbench201_torch.py --arch ARCH --batch 64 --size 32 --threads 2             one training step
    nasbench201_torch.py --arch ARCH --inference --batch 1 64                     one forward pass, eval mode
    nasbench201_torch.py --check GOLDEN.json [--check-training TRAINING.json]     is it the same network? (with
                                                                                  --check-only nothing is timed)

ARCH is an architecture string, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, or six operator codes in edge order
(0 none, 1 skip_connect, 2 nor_conv_1x1, 3 nor_conv_3x3, 4 avg_pool_3x3); 333333 is the network of 3x3 convolutions.

The network is that of the specification (spec/search-spaces.md, section 2) with the reference's tensor names, written
anew. A training step is: forward, mean cross-entropy, backward, SGD with Nesterov momentum 0.9 and weight decay 5e-4 on
everything, zero_grad(set_to_none=True). All in --precision. The modes are those of common/torch_modes.py, and

    channels_last_tuned           channels_last with one ReLU per node instead of one per edge, sums in place, by hand

`none` edges are dropped wherever that changes no gradient. Modes take turns, so that a slow minute of the machine hits
all alike. Times are in milliseconds: minimum, lower quartile, median. Phases are lower quartiles too, each by itself.
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
    p.add_argument("--batch", type=int, nargs="+", help="64; with --inference: 1 64")
    p.add_argument("--inference", action="store_true", help="eval-mode forward pass instead of a training step")
    p.add_argument("--optimizer", choices=("fused", "foreach", "loop"), default="fused")
    p.add_argument("--lr", type=float, default=1e-3)
    arguments.add_precision(p)
    arguments.add_device(p)
    arguments.add_timing(p)
    arguments.add_outputs(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    p.add_argument("--check-training", metavar="TRAINING.json", help="the same for losses, gradients and updates")
    args = p.parse_args()
    if args.batch is None:
        args.batch = [1, 64] if args.inference else [64]
    known = (arguments.TORCH_INFERENCE_MODES if args.inference
             else (*arguments.TORCH_TRAIN_MODES, "channels_last_tuned"))
    arguments.take_modes(p, args, known)
    for name in ("channels", "cells", "classes", "input_channels", "size"):
        if getattr(args, name) < 1:
            p.error(f"--{name.replace('_', '-')} must be positive")
    if args.size % 4:
        p.error("--size must be a multiple of 4")
    return args


args = parse_args()
set_environment(args.threads)
try:
    import torch
    from torch.nn import functional as F

    from common import timing, torch_modes
    from common.generator import Failed
    from nasbench201 import golden, network
except ImportError as error:
    sys.exit(f"nasbench201_torch.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


def prepare(mode, batch):
    """A step of the mode. Compiles on its first calls."""
    torch.manual_seed(1)
    net = network.Network(args.arch, args.channels, args.cells, args.classes, args.input_channels, tuned=mode.endswith("_tuned"))
    net = torch_modes.place(net, mode)
    x = torch.randn(batch, args.input_channels, args.size, args.size)
    if args.inference:
        return torch_modes.inference_step(mode, net, x)
    labels = torch.randint(args.classes, (batch,))
    optimizer = network.make_sgd(net, args.lr, args.optimizer)
    return torch_modes.training_step(mode, net, x, labels, F.cross_entropy, optimizer, args.precision)


def main():
    say = timing.speaker(args)
    torch_modes.set_up(args.threads, args.device)
    try:
        if args.check:
            golden.check_forward(args.check, say)
        if args.check_training:
            golden.check_training(args.check_training, say, args.optimizer)
    except Failed as error:
        sys.exit(f"nasbench201_torch.py: not the network of the specification: {error}")
    if args.check_only:
        return
    if args.outputs:
        net = network.Network(args.arch, args.channels, args.cells, args.classes, args.input_channels)
        return torch_modes.print_outputs(network.fill_by_name(net), golden.input_tensor((1, args.input_channels, args.size, args.size)))
    machine = torch_modes.machine()
    record = {"program": "pytorch", "what": "inference" if args.inference else "training step", "space": "nasbench201",
              "arch": arch.text_of(args.arch), "channels": args.channels, "cells": args.cells, "classes": args.classes,
              "input": [args.input_channels, args.size, args.size], "threads": args.threads, "dtype": args.precision,
              "parameters": sum(p.numel() for p in network.Network(args.arch, args.channels, args.cells, args.classes,
                                                           args.input_channels).parameters()),
              "optimizer": None if args.inference else f"sgd nesterov ({args.optimizer})",
              "checked": bool(args.check or args.check_training), "machine": machine, "runs": []}
    say(torch_modes.title(machine, args.threads))
    say(f"{record['what']}, C={args.channels} N={args.cells}, input {args.input_channels}x{args.size}x{args.size}, "
        f"{record['parameters']} parameters, {record['arch']}")
    for batch in args.batch:
        run = torch_modes.measure(args, batch, prepare, say)
        record["runs"].append(run)
        timing.report(run, say)
    timing.write(args, record)


if __name__ == "__main__":
    main()
