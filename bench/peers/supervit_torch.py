#!/usr/bin/env python3
"""PyTorch as the named peer: a network of the NASViT space, one training step or one inference.

    supervit_torch.py --subnet smallest --batch 8 --threads 2       one training step
    supervit_torch.py --subnet t3 --inference --batch 1             one forward pass, eval mode
    supervit_torch.py --check GOLDEN.json [--check-training TRAINING.json]     is it the same network? (with
                                                                              --check-only nothing is timed)

A subnet is smallest (at 192), t3 (T3 of MathNAS, at 256), largest (at 288) or JSON as NASViT writes it; images have its
resolution. A training step is: forward, cross-entropy, backward, AdamW, zero_grad(set_to_none=True). All in --precision. The modes
are those of common/torch_modes.py; they take turns. Times are in milliseconds: minimum, lower quartile, median. Phases are
lower quartiles too, each by itself.
"""
import argparse
import sys

from common import arguments
from common.machine import set_environment
from supervit import subnet


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--subnet", type=subnet.parse, default=subnet.parse("smallest"), help="a name or JSON (smallest)")
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--batch", type=int, nargs="+", help="8; with --inference: 1")
    p.add_argument("--inference", action="store_true", help="eval-mode forward pass instead of a training step")
    p.add_argument("--lr", type=float, default=1e-4)
    arguments.add_precision(p)
    arguments.add_device(p)
    arguments.add_timing(p)
    arguments.add_outputs(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    p.add_argument("--check-training", metavar="TRAINING.json", help="the same for losses and gradients")
    args = p.parse_args()
    args.batch = args.batch or ([1] if args.inference else [8])
    arguments.take_modes(p, args, arguments.TORCH_INFERENCE_MODES if args.inference else arguments.TORCH_TRAIN_MODES)
    if args.classes < 1:
        p.error("--classes must be positive")
    return args


args = parse_args()
set_environment(args.threads)
try:
    import torch

    from common import generator, timing, torch_modes
    from common.generator import Failed
    from supervit import golden, network
except ImportError as error:
    sys.exit(f"supervit_torch.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


def prepare(mode, batch):
    """A step of the mode. Compiles on its first calls."""
    net = torch_modes.place(network.make(args.subnet, args.classes), mode)
    torch.manual_seed(1)
    x = torch.randn(batch, 3, args.subnet["resolution"], args.subnet["resolution"])
    if args.inference:
        return torch_modes.inference_step(mode, net, x)
    labels = torch.randint(args.classes, (batch,))
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.0, fused=True)
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
        sys.exit(f"supervit_torch.py: not the network of the specification: {error}")
    if args.check_only:
        return
    if args.outputs:
        return torch_modes.print_outputs(network.make(args.subnet, args.classes), torch.from_numpy(
            generator.image((1, 3, args.subnet["resolution"], args.subnet["resolution"]))))
    machine, side = torch_modes.machine(), args.subnet["resolution"]
    record = {"program": "pytorch", "what": "inference" if args.inference else "training step", "space": "supervit",
              "subnet": args.subnet, "classes": args.classes, "input": [3, side, side], "threads": args.threads,
              "dtype": args.precision,
              "parameters": sum(p.numel() for p in network.Network(args.subnet, args.classes).parameters()),
              "optimizer": None if args.inference else "adamw (fused)",
              "checked": bool(args.check or args.check_training), "machine": machine, "runs": []}
    say(torch_modes.title(machine, args.threads))
    say(f"{record['what']}, input 3x{side}x{side}, {record['parameters']} parameters, {args.subnet}")
    for batch in args.batch:
        run = torch_modes.measure(args, batch, prepare, say)
        record["runs"].append(run)
        timing.report(run, say)
    timing.write(args, record)


if __name__ == "__main__":
    main()
