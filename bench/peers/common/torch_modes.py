"""PyTorch's ways to run a network: one step of training or of inference, in the modes that its users choose from.

    contiguous, channels_last     eager, in that memory format of images
    eager                         eager, for inputs that are not images
    *compile                      torch.compile (inductor; it needs a C++ compiler and Python's headers), for inference with
                                  frozen weights
    *jit (inference)              torch.jit.trace, freeze, optimize_for_inference
    *captured (on a GPU)          eager, the whole step or forward pass captured once as a CUDA graph and replayed
    *graphs (on a GPU)            torch.compile that replays CUDA graphs (mode "reduce-overhead"); the update is eager

A training step in bfloat16 is autocast's: weights in float32, convolutions and linear layers in bfloat16, the loss of
logits in float32.

Every choice that is left open is made in PyTorch's favour: fused optimiser, input already in the memory format of the
mode, no reading of the loss, garbage collection off. A compiled mode that fails (no compiler, say) is reported with its
error and skipped; so is one whose first losses or logits differ from the eager ones. Import after set_environment().
"""
import json
import logging
import time
import warnings

import torch
import torch._dynamo
import torch._inductor.config

from common import timing
from common.generator import Failed
from common.machine import describe_machine


device = "cpu"  # that all modes compute on


def set_up(threads, where="cpu"):
    global device
    device = where
    if device == "cuda":
        if not torch.cuda.is_available():
            raise SystemExit("--device cuda: PyTorch sees no GPU")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 is float32
        torch.backends.cudnn.benchmark = True
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch.jit is deprecated, and still worth a line
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it looks for CUDA, in vain
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


def machine():
    lines = torch.__config__.show().splitlines()
    onednn = next((l.split(" v", 1)[1].split(" ")[0] for l in lines if "MKL-DNN" in l or "oneDNN" in l), "unknown")
    gpu = {"gpu": torch.cuda.get_device_name(), "cudnn": torch.backends.cudnn.version()} if device == "cuda" else {}
    return {**describe_machine(), "isa": torch.backends.cpu.get_cpu_capability(), "torch": torch.__version__,
            "onednn": onednn, **gpu}


def sgd(parameters, lr, decay, kind="fused"):
    flags = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}[kind]
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True, weight_decay=decay, **flags)


def memory_format(mode):
    return torch.channels_last if mode.startswith("channels_last") else torch.contiguous_format


def place(net, mode):
    """The network where the mode computes, as it wants its images."""
    return net.to(device=device, memory_format=memory_format(mode))


def inputs_of(mode, x):
    """One image tensor or a tuple of others as the inputs of a network."""
    return tuple(t.to(device) for t in x) if isinstance(x, tuple) else (x.to(device=device, memory_format=memory_format(mode)),)


def is_compiled(mode):
    return mode.endswith(("compile", "graphs"))


def compiled(function, mode):
    return torch.compile(function, fullgraph=True, dynamic=False, mode="reduce-overhead" if mode.endswith("graphs") else None)


def now_done():
    """The instant at which everything before is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Captured:
    """A function without arguments as PyTorch's notes on CUDA graphs have it: run twice on a side stream, then captured there,
    then replayed. All tensors of a replay, its result too, lie where those of the capture lay."""

    def __init__(self, function):
        self.function, self.stream, self.graph, self.runs = function, torch.cuda.Stream(), torch.cuda.CUDAGraph(), 0

    def __call__(self):
        self.runs += 1
        if self.runs < 3:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.result = self.function()
            torch.cuda.current_stream().wait_stream(self.stream)
            return self.result
        if self.runs == 3:
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.result = self.function()
        self.graph.replay()
        return self.result


def training_step(mode, net, x, labels, loss, optimizer, precision):
    """A step that returns the instants before and after forward, backward and update, and keeps its loss in `.loss`.
    `x` as of inputs_of(), `precision` float32 or bfloat16."""
    net.train()
    inputs, labels = inputs_of(mode, x), labels.to(device)

    def loss_of(inputs, labels):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(*inputs)
        return loss(logits.float(), labels)

    if is_compiled(mode):
        loss_of = compiled(loss_of, mode)
    now = time.perf_counter

    def whole():
        value = loss_of(inputs, labels)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)  # gradients that the capture begins without are made in the graph's own memory
        return value.detach()

    def replay():
        t0 = now_done()
        value = captured()
        t1 = now_done()
        replay.loss = value.clone()
        return t0, t1

    if mode.endswith("captured"):
        for group in optimizer.param_groups:
            group["capturable"] = True  # Adam would refuse; SGD has no state on the host
        captured = Captured(whole)
        return replay

    def step():
        t0 = now_done()
        value = loss_of(inputs, labels)
        t1 = now()
        value.backward()
        t2 = now()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        t3 = now_done()
        step.loss = value.detach().clone() if device == "cuda" else value
        return t0, t1, t2, t3
    return step


def inference_step(mode, net, x):
    """A step that runs the network once, and keeps its logits in `.logits`. `x` as of inputs_of()."""
    net.eval()
    inputs = inputs_of(mode, x)
    run = net
    if mode.endswith("jit"):
        with torch.no_grad():
            run = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, inputs)))
    elif is_compiled(mode):
        torch._inductor.config.freezing = True  # folds batch norm, packs weights
        run = compiled(net, mode)
    with torch.no_grad():
        want = net(*inputs)
    if mode.endswith("captured"):
        captured = Captured(lambda: net(*inputs))
        run = lambda *_: captured()

    def step():
        with torch.no_grad():
            t0 = now_done()
            step.logits = run(*inputs)
            t1 = now_done()
        return t0, t1
    for _ in range(3):  # the third is a replay, where there are graphs
        step()
    if not torch.allclose(step.logits, want, rtol=1e-3, atol=1e-4 * want.abs().max().item()):
        raise Failed("its logits differ from the eager ones")
    return step


@torch.no_grad()
def print_outputs(net, *inputs):
    print(json.dumps({"logits": net.eval()(*inputs).flatten().tolist()}))


def measure(args, batch, prepare, say):
    """args.modes at one batch size; prepare(mode, batch) makes a step of training or inference."""
    torch._dynamo.reset()  # a batch size seen before must not make this one dynamic
    losses = {}

    def same_loss(mode, step, index):
        """All modes start from the same weights and data: every loss must be that of the first mode. After an update only
        roughly: ReLUs flip under another order of rounding, and gradients differ by percents then. With the 8 bits of
        bfloat16, which compiled modes round to less often, everything is ten times as rough."""
        if index > 2:  # the second loss depends on the first gradients, the third may be the first of a replay
            return
        loss = step.loss.item()
        want = losses.setdefault(index, loss)
        rough = 10 if getattr(args, "precision", "float32") == "bfloat16" else 1
        if not abs(loss - want) <= rough * (1e-3, 1e-2, 2e-2)[index] * abs(want):
            raise Failed(f"loss {index} of {mode} is {loss}, {want} expected")

    finite = lambda step: None if torch.isfinite(step.loss) else "the loss is no longer finite"
    trains = not (args.inference or getattr(args, "decode", False))
    # On a GPU, which is there for minutes, whatever works is timed.
    may_fail = lambda mode: mode.endswith(("compile", "jit")) or device == "cuda" and mode != args.modes[0]
    return timing.measure(args, batch, prepare, may_fail, say,
                          *((same_loss, finite) if trains else ()))


def title(machine, threads):
    return f"torch {machine['torch']}, oneDNN {machine['onednn']}, {machine['isa']}, {threads} threads, {machine['cpu']}"
