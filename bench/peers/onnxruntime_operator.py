#!/usr/bin/env python3
"""What the operator mathnas.Network costs or saves inside of ONNX Runtime: a network as a graph of ONNX operators, and the same
network as one node of ours, in one process, in turns.

    onnxruntime_operator.py --build build/release                             largest and smallest MobileNetV3, batch 1 and 32
    onnxruntime_operator.py --build .. --space supervit --subnet t3 --batch 1

The network is deployed with the deterministic weights; `mathnas export` writes it as ONNX for the batch. Modes, each with buffers
bound beforehand:

    onnxruntime    the graph of ONNX operators, all optimisations
    operator       the node, images {N,C,H,W} as everywhere in ONNX, which it turns
    operator-nhwc  the node with layout=NHWC, which saves that

Logits of all must agree before anything is timed. Times are in milliseconds.
"""
import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from common import arguments
from common.machine import describe_machine, set_environment
from mobilenetv3 import subnet as mobilenetv3
from supervit import subnet as supervit

MODES = ("onnxruntime", "operator", "operator-nhwc")
ARCH_3X3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--build", default="build/release", help="with mathnas and libmathnas_onnxruntime.so (build/release)")
    p.add_argument("--space", choices=("nasbench201", "mobilenetv3", "supervit"), default="mobilenetv3")
    p.add_argument("--subnet", nargs="+", help="names or JSON (mobilenetv3: largest smallest; supervit: smallest)")
    p.add_argument("--batch", type=int, nargs="+", default=[1, 32], help="(1 32)")
    arguments.add_timing(p)
    args = p.parse_args()
    arguments.take_modes(p, args, MODES)
    return args


args = parse_args()
set_environment(args.threads)
try:
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper

    import onnx_files
    from common import timing
    from common.generator import expect
except ImportError as error:
    sys.exit(f"onnxruntime_operator.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


def networks(folder):
    """The networks of --subnet: name, checkpoint, subnet as the program takes it, input shape of one image."""
    if args.space == "mobilenetv3":
        space = onnx_files.MobileNetV3(folder, {})
        for name in args.subnet or ["largest", "smallest"]:
            yield space.network(name, 1.0, mobilenetv3.parse(name), [1, 3, 224, 224], None)
    elif args.space == "supervit":
        space = onnx_files.SuperVit(folder, {})
        for name in args.subnet or ["smallest"]:
            config = supervit.parse(name)
            yield space.network(name, config, [1, 3, config["resolution"], config["resolution"]], None)
    else:
        space = onnx_files.NasBench201(folder, {})
        for i, arch in enumerate(args.subnet or [ARCH_3X3]):
            yield space.network(f"arch {i}", arch, 10, [1, 3, 32, 32], None)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    options.register_custom_ops_library(str(Path(args.build) / "bindings/onnxruntime/libmathnas_onnxruntime.so"))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def node(network, shape, layout):
    """A graph of one node."""
    n = helper.make_node("Network", ["image"], ["logits"], domain="mathnas", file=str(network), layout=layout,
                         threads=args.threads)
    graph = helper.make_graph([n], "served", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], "classes"])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mathnas", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def step(mode, program, network, x):
    """A step that runs the network once, and its logits."""
    if mode == "onnxruntime":
        model = Path(network).with_suffix(f".{x.shape[0]}.onnx")
        program("export", network, "--format", "onnx", "--batch", x.shape[0], "--out", model)
        run = session(str(model))
    else:
        nhwc = mode == "operator-nhwc"
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if nhwc else x
        run = session(node(network, list(x.shape), "NHWC" if nhwc else "NCHW"))
    binding, image = run.io_binding(), onnxruntime.OrtValue.ortvalue_from_numpy(x)
    binding.bind_ortvalue_input(run.get_inputs()[0].name, image)
    logits = onnxruntime.OrtValue.ortvalue_from_shape_and_type([x.shape[0], args.classes], np.float32)
    binding.bind_ortvalue_output(run.get_outputs()[0].name, logits)
    now = time.perf_counter

    def timed():
        t0 = now()
        run.run_with_iobinding(binding)
        return t0, now()
    timed()
    return timed, logits.numpy()


def main():
    say, program = timing.speaker(args), onnx_files.Program(str(Path(args.build) / "bin/mathnas"))
    record = {"program": "mathnas.Network in onnxruntime", "what": "inference", "space": args.space, "threads": args.threads,
              "dtype": "float32", "machine": {**describe_machine(), "onnxruntime": onnxruntime.__version__}, "runs": []}
    say(f"ONNX Runtime {onnxruntime.__version__}, {args.threads} threads, {record['machine']['cpu']}")
    args.classes = 10 if args.space == "nasbench201" else 1000
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint, _, subnet, shape, _ in networks(Path(folder)):
            network = Path(folder) / "network.mathnas"
            program("deploy", "--checkpoint", checkpoint, "--subnet", subnet, "--as-is", "--out", network)
            for batch in args.batch:
                x = np.random.default_rng(1).standard_normal([batch, *shape[1:]], dtype=np.float32)
                want = step("onnxruntime", program, network, x)[1]

                def prepare(mode, _, x=x, want=want):
                    timed, logits = step(mode, program, network, x)
                    expect(f"{mode}: logits against those of plain ONNX Runtime", logits, want, 1e-4)
                    return timed
                say(f"{name}, input {'x'.join(map(str, shape[1:]))}")
                run = {"subnet": json.loads(subnet), "input": shape[1:],
                       **timing.measure(args, batch, prepare, lambda mode: False, say)}
                timing.report(run, say)
                modes = run["modes"]
                if "onnxruntime" in modes:
                    run["ratios"] = {m: round(r["quartile_ms"] / modes["onnxruntime"]["quartile_ms"], 3)
                                     for m, r in modes.items() if m != "onnxruntime"}
                    say(f"  ratio to plain ONNX Runtime, lower quartiles: {run['ratios']}")
                record["runs"].append(run)
    timing.write(args, record)


if __name__ == "__main__":
    main()
