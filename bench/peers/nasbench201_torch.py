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
everything, zero_grad(set_to_none=True). All in float32. Each mode is a way in which PyTorch's users run such a network:

    contiguous, channels_last     eager, in that memory format
    channels_last_tuned           the same by hand: one ReLU per node instead of one per edge, sums in place
    *_compile                     torch.compile (inductor; it needs a C++ compiler and Python's headers)
    *_jit (inference)             torch.jit.trace, freeze, optimize_for_inference
    *_compile (inference)         torch.compile with frozen weights

Every choice that is left open is made in PyTorch's favour: fused optimiser, input already in the memory format of the
mode, no reading of the loss, garbage collection off, `none` edges dropped wherever that changes no gradient. A
compiled mode that fails (no compiler, say) is reported with its error and skipped; so is one whose first losses or
logits differ from the eager ones. Modes take turns, so that a slow minute of the machine hits all alike. Times are in
milliseconds: minimum, lower quartile, median. Phases are lower quartiles too, each by itself.
"""
import argparse
import gc
import json
import logging
import os
import platform
import sys
import time
import warnings

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target, source), the order of layers and strings
TRAIN_MODES = ("contiguous", "channels_last", "channels_last_tuned",
               "contiguous_compile", "channels_last_compile")
INFERENCE_MODES = ("contiguous", "channels_last", "contiguous_jit", "channels_last_jit",
                   "contiguous_compile", "channels_last_compile")


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
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--inference", action="store_true", help="eval-mode forward pass instead of a training step")
    p.add_argument("--modes", help="comma-separated subset of the modes (all)")
    p.add_argument("--optimizer", choices=("fused", "foreach", "loop"), default="fused")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--warmup", type=int, default=3, help="untimed repetitions of every mode (3)")
    p.add_argument("--repetitions", type=int, default=15, help="at least so many timed ones per mode (15)")
    p.add_argument("--seconds", type=float, default=3.0, help="and for at least so long per mode (3)")
    p.add_argument("--rounds", type=int, default=3, help="turns in which the modes are timed (3)")
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    p.add_argument("--check-training", metavar="TRAINING.json", help="the same for losses, gradients and updates")
    p.add_argument("--check-only", action="store_true")
    p.add_argument("--json", metavar="FILE", help="write a record; '-' is standard output, with the table on standard error")
    args = p.parse_args()
    if args.batch is None:
        args.batch = [1, 64] if args.inference else [64]
    known = INFERENCE_MODES if args.inference else TRAIN_MODES
    args.modes = tuple(args.modes.split(",")) if args.modes else known
    for mode in args.modes:
        if mode not in known:
            p.error(f"unknown mode '{mode}'; there are {', '.join(known)}")
    for name in ("channels", "cells", "classes", "input_channels", "size", "threads", "repetitions", "rounds"):
        if getattr(args, name) < 1:
            p.error(f"--{name.replace('_', '-')} must be positive")
    if min(args.batch) < 1 or args.size % 4:
        p.error("--batch must be positive and --size a multiple of 4")
    return args


def set_environment(threads):
    """Before torch is loaded: the thread count, for every library that has its own idea of it."""
    for name in [n for n in os.environ if n.startswith("OPENBLAS_")]:
        del os.environ[name]
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    # Inductor writes the thread count into the code that it generates, so caches are kept apart by it.
    cache = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "peers")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.abspath(os.path.join(cache, f"inductor-{threads}")))


args = parse_args()
set_environment(args.threads)
try:
    import numpy as np
    import torch
    import torch._dynamo
    import torch._inductor.config
    from torch import nn
    from torch.nn import functional as F
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
    flags = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}[kind]
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4, **flags)


# ---- is it the same network? ----------------------------------------------------------------------------------------

def uniform(name, count):
    """r of specification section 1.2: `count` numbers in [-1, 1), a function of the tensor's name alone."""
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


def input_tensor(shape, name="input"):
    return torch.from_numpy(uniform(name, int(np.prod(shape))).astype(np.float32)).reshape(shape)


def fill_by_name(net):
    """The deterministic weights of specification section 1.2, rounded to float32."""
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        r = uniform(name, tensor.numel())
        if name.endswith("running_mean") or (tensor.dim() < 2 and name.endswith("bias")):
            r = 0.1 * r
        elif name.endswith("running_var"):
            r = 1 + 0.5 * r
        elif tensor.dim() >= 2:
            r = r * np.sqrt(3 / (tensor.numel() / tensor.shape[0]))
        else:
            r = 1 + 0.2 * r
        tensor.copy_(torch.from_numpy(r.astype(np.float32)).reshape(tensor.shape))
    return net


class Failed(Exception):
    pass


def expect(what, got, want, bound):
    got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    off = float(np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-30))
    if not off <= bound:
        raise Failed(f"{what}: off by {off:.3g} relative to the largest value, allowed {bound:g}")
    return off


def check_forward(path, say):
    """Golden logits and layer sums: float64 plain and tuned, then float32 in both memory formats."""
    with open(path) as file:
        golden = json.load(file)
    expect("generator: r(input)", uniform("input", 3), [0.28604724537581205, 0.8406892735511065, -0.6160331587307155], 1e-15)
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
    """A function that runs the mode once and returns the instants between its phases. Compiles on its first calls."""
    torch.manual_seed(1)
    layout = torch.channels_last if mode.startswith("channels_last") else torch.contiguous_format
    net = Network(args.arch, args.channels, args.cells, args.classes, args.input_channels, tuned=mode.endswith("_tuned"))
    net = net.to(memory_format=layout)
    x = torch.randn(batch, args.input_channels, args.size, args.size).to(memory_format=layout)
    labels = torch.randint(args.classes, (batch,))
    now = time.perf_counter

    if not args.inference:
        net.train()
        optimizer = make_sgd(net, args.lr, args.optimizer)
        loss_of = lambda x, labels: F.cross_entropy(net(x), labels)
        if mode.endswith("_compile"):
            loss_of = torch.compile(loss_of, fullgraph=True, dynamic=False)

        def step():
            t0 = now()
            loss = loss_of(x, labels)
            t1 = now()
            loss.backward()
            t2 = now()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            t3 = now()
            step.loss = loss
            return t0, t1, t2, t3
        return step

    net.eval()
    run = net
    if mode.endswith("_jit"):
        with torch.no_grad():
            run = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))
    elif mode.endswith("_compile"):
        torch._inductor.config.freezing = True  # folds batch norm, packs weights
        run = torch.compile(net, fullgraph=True, dynamic=False)
    with torch.no_grad():
        want = net(x)

    def step():
        with torch.no_grad():
            t0 = now()
            step.logits = run(x)
            t1 = now()
        return t0, t1
    step()
    if not torch.allclose(step.logits, want, rtol=1e-3, atol=1e-4 * want.abs().max().item()):
        raise Failed("its logits differ from the eager ones")
    return step


PHASES = ("forward_ms", "backward_ms", "update_ms")


def summary(samples, prepare_s):
    times = np.asarray(samples) * 1e3  # instants of each repetition
    whole = times[:, -1] - times[:, 0]
    quartile = lambda v: round(float(np.percentile(v, 25)), 4)
    record = {"min_ms": round(float(whole.min()), 4), "quartile_ms": quartile(whole),
              "median_ms": round(float(np.median(whole)), 4), "repetitions": len(whole), "prepare_s": round(prepare_s, 2)}
    if times.shape[1] == 4:
        record["quartile_phases"] = {p: quartile(times[:, i + 1] - times[:, i]) for i, p in enumerate(PHASES)}
    return record


def same_loss(mode, index, loss, losses):
    """All modes start from the same weights and data: every loss must be that of the first mode. After an update only
    roughly: in this network ReLUs flip under another order of rounding, and gradients differ by percents then."""
    want = losses.setdefault(index, loss)
    if not abs(loss - want) <= (1e-3 if index == 0 else 1e-2) * abs(want):
        raise Failed(f"loss {index} of {mode} is {loss}, {want} expected")


def measure(batch, say):
    torch._dynamo.reset()  # a batch size seen before must not make this one dynamic
    steps, results, prepare_s, losses = {}, {}, {}, {}
    for mode in args.modes:
        start = time.perf_counter()
        try:
            step = prepare(mode, batch)
            for i in range(max(args.warmup, 2)):
                step()
                if not args.inference and i < 2:  # the second loss depends on the first gradients
                    same_loss(mode, i, step.loss.item(), losses)
            steps[mode] = step
        except Exception as error:  # a compiler that fails can raise anything; the other modes go on
            if not mode.endswith(("_compile", "_jit")):
                raise
            text = str(error).strip().splitlines()
            results[mode] = {"error": f"{type(error).__name__}: {text[0] if text else ''}"}
            say(f"{mode}: does not work here: {results[mode]['error']}")
        prepare_s[mode] = time.perf_counter() - start
    samples = {mode: [] for mode in steps}
    gc.collect()
    gc.disable()
    for _ in range(args.rounds):
        for mode, step in steps.items():
            step()  # bring code and data back into the caches
            turn, start = 0, time.perf_counter()
            while turn * args.rounds < args.repetitions or (time.perf_counter() - start) * args.rounds < args.seconds:
                samples[mode].append(step())
                turn += 1
    gc.enable()
    for mode in steps:
        if not args.inference and not torch.isfinite(steps[mode].loss):
            results[mode] = {"error": "the loss is no longer finite"}
        else:
            results[mode] = summary(samples[mode], prepare_s[mode])
    good = [m for m in args.modes if "quartile_ms" in results[m]]
    fastest = min(good, key=lambda m: results[m]["quartile_ms"], default=None)
    return {"batch": batch, "modes": {m: results[m] for m in args.modes}, "fastest": fastest}


def describe_machine():
    model = "unknown"
    try:
        with open("/proc/cpuinfo") as file:
            model = next((l.split(":", 1)[1].strip() for l in file if l.startswith("model name")), model)
    except OSError:
        pass
    lines = torch.__config__.show().splitlines()
    onednn = next((l.split(" v", 1)[1].split(" ")[0] for l in lines if "MKL-DNN" in l or "oneDNN" in l), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "isa": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__, "onednn": onednn, "python": platform.python_version(),
            "environment": {k: v for k, v in sorted(os.environ.items())
                            if k.startswith(("OMP_", "GOMP_", "KMP_", "MKL_NUM", "DNNL_", "ONEDNN_"))}}


def main():
    out = sys.stderr if args.json == "-" else sys.stdout
    say = lambda text: print(text, file=out, flush=True)
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch.jit is deprecated, and still worth a line
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it looks for CUDA, in vain
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    try:
        if args.check:
            check_forward(args.check, say)
        if args.check_training:
            check_training(args.check_training, say)
    except Failed as error:
        sys.exit(f"nasbench201_torch.py: not the network of the specification: {error}")
    if args.check_only:
        return
    machine = describe_machine()
    record = {"program": "pytorch", "what": "inference" if args.inference else "training step", "space": "nasbench201",
              "arch": arch_string(args.arch), "channels": args.channels, "cells": args.cells, "classes": args.classes,
              "input": [args.input_channels, args.size, args.size], "threads": args.threads, "dtype": "float32",
              "parameters": sum(p.numel() for p in Network(args.arch, args.channels, args.cells, args.classes,
                                                           args.input_channels).parameters()),
              "optimizer": None if args.inference else f"sgd nesterov ({args.optimizer})",
              "checked": bool(args.check or args.check_training), "machine": machine, "runs": []}
    say(f"torch {machine['torch']}, oneDNN {machine['onednn']}, {machine['isa']}, {args.threads} threads, {machine['cpu']}")
    say(f"{record['what']}, C={args.channels} N={args.cells}, input {args.input_channels}x{args.size}x{args.size}, "
        f"{record['parameters']} parameters, {record['arch']}")
    for batch in args.batch:
        run = measure(batch, say)
        record["runs"].append(run)
        say(f"batch {batch:<18} {'min ms':>10} {'quartile':>10} {'median':>10} {'reps':>6} {'prepare s':>10}"
            + ("" if args.inference else f" {'forward':>10} {'backward':>10} {'update':>10}"))
        for mode, r in run["modes"].items():
            if "error" in r:
                say(f"  {mode:<22} {r['error']}")
                continue
            say(f"  {mode:<22} {r['min_ms']:>10.3f} {r['quartile_ms']:>10.3f} {r['median_ms']:>10.3f} {r['repetitions']:>6}"
                f" {r['prepare_s']:>10.1f}" + "".join(f" {v:>10.3f}" for v in r.get("quartile_phases", {}).values()))
        say(f"  fastest: {run['fastest']}")
    if args.json == "-":
        json.dump(record, sys.stdout, indent=1)
        print()
    elif args.json:
        with open(args.json, "w") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
    if any(run["fastest"] is None for run in record["runs"]):
        sys.exit("nasbench201_torch.py: no mode worked")


if __name__ == "__main__":
    main()
