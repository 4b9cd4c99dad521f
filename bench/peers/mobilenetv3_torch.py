#!/usr/bin/env python3
"""PyTorch as the named peer: a network of the once-for-all MobileNetV3 space, one training step or one inference.

    mobilenetv3_torch.py --subnet largest --batch 16 --size 128 --threads 2       one training step
    mobilenetv3_torch.py --subnet smallest --inference --batch 1 32 --size 224    one forward pass, eval mode
    mobilenetv3_torch.py --check GOLDEN.json [--check-training TRAINING.json]     is it the same network? (with
                                                                                  --check-only nothing is timed)

A subnet is largest (k7 e6 d4), middle (k5 e4 d3), smallest (k3 e3 d2) or JSON, {"ks": 20, "e": 20, "d": 5 numbers, or one in
place of a list}. A training step is: forward, label-smoothed cross-entropy, backward, SGD with Nesterov momentum 0.9 and
weight decay 3e-5 on weights, zero_grad(set_to_none=True). All in --precision. The modes are those of common/torch_modes.py; they
take turns. Times are in milliseconds: minimum, lower quartile, median. Phases are lower quartiles too, each by itself.
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
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--size", type=int, help="height and width of the input (128; with --inference 224)")
    p.add_argument("--batch", type=int, nargs="+", help="16; with --inference: 1 32")
    p.add_argument("--inference", action="store_true", help="eval-mode forward pass instead of a training step")
    p.add_argument("--optimizer", choices=("fused", "foreach", "loop"), default="fused")
    p.add_argument("--lr", type=float, default=1e-3)
    arguments.add_precision(p)
    arguments.add_device(p)
    arguments.add_timing(p)
    arguments.add_outputs(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    p.add_argument("--check-training", metavar="TRAINING.json", help="the same for losses and gradients")
    args = p.parse_args()
    args.batch = args.batch or ([1, 32] if args.inference else [16])
    args.size = args.size or (224 if args.inference else 128)
    arguments.take_modes(p, args, arguments.TORCH_INFERENCE_MODES if args.inference else arguments.TORCH_TRAIN_MODES)
    if args.classes < 1 or args.size < 32:
        p.error("--classes must be positive and --size at least 32")
    return args


args = parse_args()
set_environment(args.threads)
try:
    import torch

    from common import generator, timing, torch_modes
    from common.generator import Failed
    from mobilenetv3 import golden, network
except ImportError as error:
    sys.exit(f"mobilenetv3_torch.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


def prepare(mode, batch):
    """A step of the mode. Compiles on its first calls."""
    net = torch_modes.place(network.make(args.subnet, args.width, args.classes), mode)
    torch.manual_seed(1)
    x = torch.randn(batch, 3, args.size, args.size)
    if args.inference:
        return torch_modes.inference_step(mode, net, x)
    labels = torch.randint(args.classes, (batch,))
    optimizer = torch_modes.sgd(network.parameter_groups(net), args.lr, 0.0, args.optimizer)
    return torch_modes.training_step(mode, net, x, labels, network.loss, optimizer, args.precision)


def main():
    say = timing.speaker(args)
    torch_modes.set_up(args.threads, args.device)
    try:
        if args.check:
            golden.check_forward(args.check, say)
        if args.check_training:
            golden.check_training(args.check_training, say)
    except Failed as error:
        sys.exit(f"mobilenetv3_torch.py: not the network of the specification: {error}")
    if args.check_only:
        return
    if args.outputs:
        return torch_modes.print_outputs(network.make(args.subnet, args.width, args.classes),
                                         torch.from_numpy(generator.image((1, 3, args.size, args.size))))
    machine = torch_modes.machine()
    record = {"program": "pytorch", "what": "inference" if args.inference else "training step", "space": "mobilenetv3",
              "subnet": args.subnet, "width": args.width, "classes": args.classes, "input": [3, args.size, args.size],
              "threads": args.threads, "dtype": args.precision,
              "parameters": sum(p.numel() for p in network.Network(args.subnet, args.width, args.classes).parameters()),
              "optimizer": None if args.inference else f"sgd nesterov ({args.optimizer})",
              "checked": bool(args.check or args.check_training), "machine": machine, "runs": []}
    say(torch_modes.title(machine, args.threads))
    say(f"{record['what']}, width {args.width}, input 3x{args.size}x{args.size}, {record['parameters']} parameters, "
        f"{args.subnet}")
    for batch in args.batch:
        run = torch_modes.measure(args, batch, prepare, say)
        record["runs"].append(run)
        timing.report(run, say)
    timing.write(args, record)


if __name__ == "__main__":
    main()
