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
import json
import sys

from common import arguments
from common.machine import set_environment

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target, source), the order of layers and strings


def parse_arch(text):
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


def arch_string(ops):
    it = iter(ops)
    return "+".join("|" + "".join(f"{next(it)}~{s}|" for s in range(t)) for t in (1, 2, 3))


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--arch", type=parse_arch, default=parse_arch("333333"), help="string or six codes (333333)")
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
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F

    from common import generator, timing, torch_modes
    from common.generator import Failed, expect, uniform
except ImportError as error:
    sys.exit(f"nasbench201_torch.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


# ---- the network ----------------------------------------------------------------------------------------------------

class ConvBn(nn.Module):
    """ReLU (not in place), convolution, batch norm. With `relu` false the caller has applied the ReLU already."""

    def __init__(self, inputs, outputs, kernel, stride=1, relu=True):
        super().__init__()
        self.op = nn.Sequential(nn.ReLU() if relu else nn.Identity(),
                                nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                                nn.BatchNorm2d(outputs))

    def forward(self, x):
        return self.op(x)


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def kept_edges(ops):
    """The edges that must run: all but `none`, and of those the ones without which a node would have no input, or would
    drop out of the graph (in the reference what lies before `none` gets a zero gradient, not none at all: weight decay and
    BN statistics still move)."""
    kept = {e for e, op in enumerate(ops) if op != "none"}
    for target in (1, 2, 3):
        incoming = [e for e, (t, _) in enumerate(EDGES) if t == target]
        if not kept.intersection(incoming):
            kept.add(incoming[0])
    for source in (2, 1, 0):
        outgoing = [e for e, (_, s) in enumerate(EDGES) if s == source]
        if not kept.intersection(outgoing):
            kept.add(outgoing[0])
    return kept


class Cell(nn.Module):
    def __init__(self, ops, channels, tuned):
        super().__init__()
        self.tuned = tuned
        make = {"none": Zero, "skip_connect": nn.Identity,
                "nor_conv_1x1": lambda: ConvBn(channels, channels, 1, relu=not tuned),
                "nor_conv_3x3": lambda: ConvBn(channels, channels, 3, relu=not tuned),
                "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False)}
        self.layers = nn.ModuleList(make[op]() for op in ops)
        kept = kept_edges(ops)
        self.incoming = [[(e, s) for e, (t, s) in enumerate(EDGES) if t == target and e in kept] for target in (1, 2, 3)]
        self.is_conv = [op.startswith("nor_conv") for op in ops]
        self.owns_output = [op != "skip_connect" for op in ops]

    def forward(self, x):
        if self.tuned:
            return self.forward_tuned(x)
        nodes = [x]
        for edges in self.incoming:
            total = None
            for e, s in edges:
                y = self.layers[e](nodes[s])
                total = y if total is None else total + y
            nodes.append(total)
        return nodes[3]

    def forward_tuned(self, x):
        nodes, rectified = [x], [None] * 4
        for edges in self.incoming:
            total, owned = None, False
            for e, s in edges:
                if self.is_conv[e] and rectified[s] is None:
                    rectified[s] = F.relu(nodes[s])
                y = self.layers[e](rectified[s] if self.is_conv[e] else nodes[s])
                if total is None:
                    total, owned = y, self.owns_output[e]
                elif owned:
                    total.add_(y)
                else:
                    total, owned = total + y, True
            nodes.append(total)
        return nodes[3]


class Reduction(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_a = ConvBn(inputs, outputs, 3, 2)
        self.conv_b = ConvBn(outputs, outputs, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x):
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class Network(nn.Module):
    def __init__(self, ops, channels=16, cells=5, classes=10, input_channels=3, tuned=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(input_channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(3):
            width = channels << stage
            if stage:
                self.cells.append(Reduction(width // 2, width))
            self.cells.extend(Cell(ops, width, tuned) for _ in range(cells))
        self.lastact = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.classifier = nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(F.adaptive_avg_pool2d(self.lastact(x), 1).flatten(1))


def make_sgd(net, lr, kind="fused"):
    return torch_modes.sgd(net.parameters(), lr, 5e-4, kind)


# ---- is it the same network? ----------------------------------------------------------------------------------------

def input_tensor(shape, name="input"):
    return torch.from_numpy(generator.image(shape, name))


def fill_by_name(net):
    """The deterministic weights of specification section 1.2, rounded to float32."""
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(generator.value(name, tuple(tensor.shape)).astype(np.float32)))
    return net


def check_forward(path, say):
    """Golden logits and layer sums: float64 plain and tuned, then float32 in both memory formats."""
    with open(path) as file:
        golden = json.load(file)
    generator.check_itself()
    cases = {k: v for k, v in golden.items() if k.startswith("nb201_") and "logits" in v}
    if not cases:
        raise Failed("no NAS-Bench-201 cases in the golden file")
    for name, case in cases.items():
        ops, x = parse_arch(case["arch"]), input_tensor(case["input"])
        want = case["logits"]
        off = {}
        for tuned in (False, True):
            net = fill_by_name(Network(ops, classes=case["classes"], tuned=tuned).double()).eval()
            acts, hooks = {}, []
            for layer in case["acts"]:
                hooks.append(net.get_submodule(layer).register_forward_hook(
                    lambda _m, _i, y, layer=layer: acts.__setitem__(layer, y)))
            with torch.no_grad():
                logits = net(x.double())
            for hook in hooks:
                hook.remove()
            # A golden list may hold only the leading logits of a network with many classes.
            off["float64"] = expect(f"{name}: logits", logits.flatten()[:len(want)], want, 1e-12)
            for layer, facts in case["acts"].items():
                expect(f"{name}: shape of {layer}", acts[layer].shape, facts["shape"], 0)
                expect(f"{name}: L2 of {layer}", acts[layer].norm(), facts["l2"], 1e-12)
                expect(f"{name}: first values of {layer}", acts[layer].flatten()[:4], facts["first"], 1e-10)
            for layout, memory_format in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
                net32 = fill_by_name(Network(ops, classes=case["classes"], tuned=tuned)).eval().to(memory_format=memory_format)
                with torch.no_grad():
                    logits = net32(x.to(memory_format=memory_format))
                off[f"float32 {layout}"] = expect(f"{name}: {layout}", logits.flatten()[:len(want)], want, 1e-5)
        say(f"check {name}: " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))


def check_training(path, say):
    """Golden losses, gradients and updated values in float64, for whole steps of the single networks."""
    with open(path) as file:
        sequences = json.load(file)["sequences"]
    cases = [s for s in sequences.values() if s["space"] == "nb201" and "input_names" in s]
    if not cases:
        raise Failed("no NAS-Bench-201 sequences in the golden file")
    for case in cases:
        for tuned in (False, True):
            net = fill_by_name(Network(parse_arch(case["arch"]), classes=case["classes"], tuned=tuned).double()).train()
            params, optimizer, worst = dict(net.named_parameters()), None, {"loss": 0.0, "gradient": 0.0, "value": 0.0}
            for index, step in enumerate(case["steps"]):
                if optimizer is None:
                    optimizer = make_sgd(net, step["lr"], args.optimizer)
                optimizer.zero_grad(set_to_none=True)
                x = input_tensor(case["input_shape"], case["input_names"][index]).double()
                loss = F.cross_entropy(net(x), torch.tensor(case["labels"][index]))
                loss.backward()
                grads = {n: p.grad for n, p in params.items()}
                where = f"{case['id']} step {index}"
                worst["loss"] = max(worst["loss"], expect(f"{where}: loss", loss.detach(), step["losses"][0], 1e-9))
                optimizer.step()
                for table, tensors in (("gradient", grads), ("value", params)):
                    for name, want in zip(case["params"], step["grad" if table == "gradient" else "value"]):
                        t = tensors[name]
                        if (t is None) != (want is None):
                            raise Failed(f"{where}: {name} has {'no' if t is None else 'a'} {table}")
                        if want is None or name in step.get("zero_grad", case.get("zero_grad", ())):
                            continue
                        values = t.detach().flatten().numpy()
                        norm, root = np.linalg.norm(values), np.sqrt(values.size)
                        largest = max(norm, want[1])
                        if largest < 1e-9 * step["grad_l2_all"]:  # rounding noise
                            continue
                        got = (values.sum(), norm, values @ uniform("probe." + name, values.size))
                        for g, w, scale in zip(got, want, (root, 1, root)):
                            off = abs(g - w) / (scale * largest)
                            worst[table] = max(worst[table], off)
                            if not off <= 1e-8:
                                raise Failed(f"{where}: {table} of {name}: off by {off:.3g}")
        say(f"check {case['id']}: {len(case['steps'])} steps, " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))


# ---- timing ---------------------------------------------------------------------------------------------------------

def prepare(mode, batch):
    """A step of the mode. Compiles on its first calls."""
    torch.manual_seed(1)
    net = Network(args.arch, args.channels, args.cells, args.classes, args.input_channels, tuned=mode.endswith("_tuned"))
    net = net.to(memory_format=torch_modes.memory_format(mode))
    x = torch.randn(batch, args.input_channels, args.size, args.size)
    if args.inference:
        return torch_modes.inference_step(mode, net, x)
    labels = torch.randint(args.classes, (batch,))
    optimizer = make_sgd(net, args.lr, args.optimizer)
    return torch_modes.training_step(mode, net, x, labels, F.cross_entropy, optimizer, args.precision)


def main():
    say = timing.speaker(args)
    torch_modes.set_up(args.threads)
    try:
        if args.check:
            check_forward(args.check, say)
        if args.check_training:
            check_training(args.check_training, say)
    except Failed as error:
        sys.exit(f"nasbench201_torch.py: not the network of the specification: {error}")
    if args.check_only:
        return
    if args.outputs:
        return torch_modes.print_outputs(fill_by_name(Network(args.arch, args.channels, args.cells, args.classes, args.input_channels)),
                                         input_tensor((1, args.input_channels, args.size, args.size)))
    machine = torch_modes.machine()
    record = {"program": "pytorch", "what": "inference" if args.inference else "training step", "space": "nasbench201",
              "arch": arch_string(args.arch), "channels": args.channels, "cells": args.cells, "classes": args.classes,
              "input": [args.input_channels, args.size, args.size], "threads": args.threads, "dtype": args.precision,
              "parameters": sum(p.numel() for p in Network(args.arch, args.channels, args.cells, args.classes,
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
