"""ONNX Runtime and OpenVINO: inference of a network that PyTorch exported once to ONNX, in build/peers/onnx, with the
deterministic weights; each runtime folds batch norm and fuses as it likes, for a fixed batch size. Modes:

    onnxruntime    all optimisations, buffers bound beforehand
    openvino       latency hint, one stream, float32 (by itself it would choose bfloat16 where the processor has it)

Logits must be those of PyTorch before anything is timed. Import after set_environment().
"""
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch

from common import generator, timing, torch_modes
from common.generator import Failed, expect
from common.machine import BUILD, describe_machine


class Peers:
    """The networks of one space. make(*choice) is a network of PyTorch's in eval mode, `choice` what JSON can hold, `source` the
    file that says what a network is."""

    def __init__(self, space, args, make, source):
        self.space, self.args, self.make, self.source = space, args, make, Path(source)

    def exported(self, choice, shape):
        """The path of the network as ONNX for one input shape; made when it is not there."""
        content = json.dumps([choice, shape, torch.__version__], sort_keys=True).encode() + self.source.read_bytes()
        path = BUILD / "onnx" / f"{self.space}-{hashlib.sha256(content).hexdigest()[:16]}.onnx"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}")
            torch.onnx.export(self.make(*choice), (torch.zeros(shape),), str(unfinished), dynamo=False,
                              input_names=["image"], output_names=["logits"], opset_version=17)
            unfinished.rename(path)
        return path

    def runner(self, mode, choice, x):
        """(run, logits): run() runs the network once on x, logits() returns what came out."""
        path, x = self.exported(choice, list(x.shape)), np.ascontiguousarray(x)
        return {"onnxruntime": self.onnxruntime_runner, "openvino": self.openvino_runner}[mode](path, x)

    def onnxruntime_runner(self, path, x):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.args.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        image = onnxruntime.OrtValue.ortvalue_from_numpy(x)
        logits = onnxruntime.OrtValue.ortvalue_from_shape_and_type(session.get_outputs()[0].shape, np.float32)
        binding.bind_ortvalue_input("image", image)
        binding.bind_ortvalue_output("logits", logits)
        return lambda: session.run_with_iobinding(binding), logits.numpy

    def openvino_runner(self, path, x):
        compiled = openvino.Core().compile_model(str(path), "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": self.args.threads,
            "INFERENCE_PRECISION_HINT": "f32"})
        request = compiled.create_infer_request()
        request.get_input_tensor().data[:] = x
        return request.infer, lambda: request.get_output_tensor().data

    def check_forward(self, cases, bound, say):
        """`cases`: name, choice, input shape, leading logits."""
        for name, choice, shape, want in cases:
            off = {}
            for mode in self.args.modes:
                run, logits = self.runner(mode, choice, generator.image(shape))
                run()
                off[mode] = expect(f"{name}: {mode}", logits().ravel()[:len(want)], want, bound)
            say(f"check {name}: " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))

    def step(self, mode, choice, shape):
        """A step that runs the network once on noise."""
        x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
        run, logits = self.runner(mode, choice, x)
        run()
        with torch.no_grad():
            want = self.make(*choice)(torch.from_numpy(x)).numpy()
        expect(f"{mode}: logits against PyTorch's", logits(), want, 1e-4)
        now = time.perf_counter

        def step():
            t0 = now()
            run()
            return t0, now()
        return step

    def main(self, choice, shape, facts, cases, bound):
        """Checks and times. `shape` of one image, `facts` of the record, cases(path) as of check_forward()."""
        args, say = self.args, timing.speaker(self.args)
        torch_modes.set_up(args.threads)
        try:
            if args.check:
                self.check_forward(cases(args.check), bound, say)
        except Failed as error:
            sys.exit(f"{self.space}_runtimes.py: not the network of the specification: {error}")
        if args.check_only:
            return
        machine = {**describe_machine(), "onnxruntime": onnxruntime.__version__, "openvino": openvino.__version__}
        record = {"program": "onnxruntime, openvino", "what": "inference", "space": self.space, **facts, "input": shape,
                  "threads": args.threads, "dtype": "float32", "checked": True, "optimizer": None, "machine": machine, "runs": []}
        say(f"ONNX Runtime {machine['onnxruntime']}, OpenVINO {machine['openvino']}, {args.threads} threads, {machine['cpu']}")
        say(f"inference, input {'x'.join(map(str, shape))}, {facts}")
        for batch in args.batch:
            run = timing.measure(args, batch, lambda mode, batch: self.step(mode, choice, [batch, *shape]), lambda mode: False, say)
            record["runs"].append(run)
            timing.report(run, say)
        timing.write(args, record)
