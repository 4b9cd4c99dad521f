#!/usr/bin/env python3
"""ONNX Runtime and OpenVINO as named peers: inference of a network of the NASViT space on the CPU.

    supervit_runtimes.py --subnet t3 --batch 1 --threads 2
    supervit_runtimes.py --check GOLDEN.json --check-only                      is it the same network?

The network is that of supervit_torch.py, exported once to ONNX in build/peers/onnx with the deterministic weights; each
runtime folds batch norm and fuses as it likes, for a fixed batch size. Modes:

    onnxruntime    all optimisations, buffers bound beforehand
    openvino       latency hint, one stream, float32 (by itself it would choose bfloat16 where the processor has it)

Logits must be those of PyTorch before anything is timed. Modes take turns. Times are in milliseconds.
"""
import argparse
import hashlib
import json
import os
import sys
import time

from common import arguments
from common.machine import BUILD, describe_machine, set_environment
from supervit import subnet

MODES = ("onnxruntime", "openvino")


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--subnet", type=subnet.parse, default=subnet.parse("smallest"), help="a name or JSON (smallest)")
    p.add_argument("--batch", type=int, nargs="+", default=[1], help="(1)")
    p.add_argument("--inference", action="store_true", help="for callers that say so to every peer; nothing else is done here")
    arguments.add_timing(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    args = p.parse_args()
    arguments.take_modes(p, args, MODES)
    return args


args = parse_args()
set_environment(args.threads)
try:
    import numpy as np
    import onnxruntime
    import openvino
    import torch

    from common import generator, timing, torch_modes
    from common.generator import Failed, expect
    from supervit import golden, network
except ImportError as error:
    sys.exit(f"supervit_runtimes.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


def exported(choice, shape):
    """The path of the network as ONNX for one input shape; made when it is not there."""
    content = json.dumps([choice, shape, torch.__version__], sort_keys=True)
    with open(network.__file__, "rb") as source:
        key = hashlib.sha256(content.encode() + source.read()).hexdigest()[:16]
    path = BUILD / "onnx" / f"supervit-{key}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        torch.onnx.export(network.make(choice).eval(), (torch.zeros(shape),), str(unfinished), dynamo=False,
                          input_names=["image"], output_names=["logits"], opset_version=17)
        unfinished.rename(path)
    return path


def onnxruntime_runner(path, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    image = onnxruntime.OrtValue.ortvalue_from_numpy(x)
    logits = onnxruntime.OrtValue.ortvalue_from_shape_and_type([len(x), 1000], np.float32)
    binding.bind_ortvalue_input("image", image)
    binding.bind_ortvalue_output("logits", logits)
    return lambda: session.run_with_iobinding(binding), logits.numpy


def openvino_runner(path, x):
    core = openvino.Core()
    compiled = core.compile_model(str(path), "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": args.threads,
        "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.get_input_tensor().data[:] = x
    return request.infer, lambda: request.get_output_tensor().data


def runner(mode, path, x):
    """(run, logits): run() runs the network once on x, logits() returns what came out."""
    return {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}[mode](path, np.ascontiguousarray(x))


def check_forward(path, say):
    for name, choice, shape, want, _ in golden.forward_cases(path):
        off = {}
        for mode in args.modes:
            run, logits = runner(mode, exported(choice, shape), generator.image(shape))
            run()
            off[mode] = expect(f"{name}: {mode}", logits().ravel()[:len(want)], want, 1e-4)
        say(f"check {name}: " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))


def prepare(mode, batch):
    shape = [batch, 3, args.subnet["resolution"], args.subnet["resolution"]]
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    run, logits = runner(mode, exported(args.subnet, shape), x)
    run()
    with torch.no_grad():
        want = network.make(args.subnet).eval()(torch.from_numpy(x)).numpy()
    expect(f"{mode}: logits against PyTorch's", logits(), want, 1e-4)
    now = time.perf_counter

    def step():
        t0 = now()
        run()
        return t0, now()
    return step


def main():
    say = timing.speaker(args)
    torch_modes.set_up(args.threads)
    try:
        if args.check:
            check_forward(args.check, say)
    except Failed as error:
        sys.exit(f"supervit_runtimes.py: not the network of the specification: {error}")
    if args.check_only:
        return
    side = args.subnet["resolution"]
    machine = {**describe_machine(), "onnxruntime": onnxruntime.__version__, "openvino": openvino.__version__}
    record = {"program": "onnxruntime, openvino", "what": "inference", "space": "supervit", "subnet": args.subnet,
              "input": [3, side, side], "threads": args.threads, "dtype": "float32",
              "checked": True, "optimizer": None, "machine": machine, "runs": []}
    say(f"ONNX Runtime {machine['onnxruntime']}, OpenVINO {machine['openvino']}, {args.threads} threads, {machine['cpu']}")
    say(f"inference, input 3x{side}x{side}, {args.subnet}")
    for batch in args.batch:
        run = timing.measure(args, batch, prepare, lambda mode: False, say)
        record["runs"].append(run)
        timing.report(run, say)
    timing.write(args, record)


if __name__ == "__main__":
    main()
