#!/usr/bin/env python3
"""ONNX files that `mathnas export` writes, in the runtimes of others: networks of all four spaces, those of the golden
file and random ones, run by ONNX Runtime and OpenVINO and compared with `mathnas forward`.

    onnx_files.py --program build/release/bin/mathnas              all spaces, 4 random networks of each
    onnx_files.py --program .. --spaces nasbench201 --random 50 --seed 7

For each network: onnx.checker with all inferred shapes; batch normalisation folded and kept; another batch than the file
was made with; translators token by token, with caches that grow and with caches of a fixed size, and several rows of a
source. Weights are the deterministic ones (spec/search-spaces.md 1.2), so golden logits count too. Deviations are the
largest difference divided by the largest value. Exit status: 0 all within the bound, 1 not, 77 a library is missing.
"""
import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
try:
    import numpy as np
    import onnx
    import onnxruntime
    import openvino

    from common import generator
except ImportError as error:
    print(f"onnx_files.py: skipped: {error}; run bench/peers/install and use build/peers/venv/bin/python")
    sys.exit(77)

PAD = 1
SHAPES = json.loads((ROOT / "tests/golden/state-dict-shapes.json").read_text())


class Program:
    """`mathnas`, and what it prints."""

    def __init__(self, path):
        self.path = path

    def __call__(self, *arguments):
        command = [self.path, *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"onnx_files.py: {' '.join(command)[:2000]}\n{done.stderr}")
        return json.loads(done.stdout)


def write_safetensors(path, tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name, value in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value).tobytes())


def write_checkpoint(path, space, macro, shapes, subnet=None):
    tensors = {name: generator.value(name, shape).astype(np.float32) for name, shape in shapes.items()}
    progress = {"epoch": 0, "batch": 0, "generator": "philox4x32-10", "seed": 0, "epochs": []}
    metadata = {"format": "mathnas-checkpoint/1", "space": space, "macro": json.dumps(macro), "recipe": "{}",
                "progress": json.dumps(progress)}
    if subnet is not None:
        metadata["subnet"] = subnet
    write_safetensors(path, tensors, metadata)


# ---------------------------------------------------------------------------------------------------------- runtimes

def onnxruntime_network(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs)))


def openvino_network(path):
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs):
        result = compiled(inputs)
        return {port.get_any_name(): np.array(value) for port, value in result.items()}
    return run


RUNTIMES = {"onnxruntime": onnxruntime_network, "openvino": openvino_network}


class Report:
    def __init__(self, bound):
        self.bound, self.largest, self.failed, self.networks = bound, {}, 0, {}

    def add(self, space, runtime, what, got, want):
        got, want = np.asarray(got, np.float64).ravel(), np.asarray(want, np.float64).ravel()
        off = float(np.max(np.abs(got - want)) / np.max(np.abs(want))) if got.shape == want.shape else float("inf")
        key = (space, runtime)
        self.largest[key] = max(self.largest.get(key, 0), off)
        if not off <= self.bound:
            self.failed += 1
            print(f"FAILED {what} in {runtime}: off by {off:.2e}, allowed {self.bound:g}")

    def print(self):
        for space, networks in self.networks.items():
            off = ", ".join(f"{runtime} {self.largest[space, runtime]:.1e}" for runtime in RUNTIMES)
            print(f"{space}: {networks} networks, largest deviation: {off}")


def check(path):
    """onnx's own checks: the schema of every node, and shapes that fit together."""
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(str(path))


# ------------------------------------------------------------------------------------------------------ image networks

class Images:
    """A space of images: its golden networks, random ones, and a checkpoint that holds them."""

    def __init__(self, folder, goldens):
        self.folder, self.goldens = folder, goldens

    def check(self, program, report, rng, count):
        networks = [*self.golden(), *(self.draw(rng, i) for i in range(count))]
        for network in networks:
            self.check_one(program, report, network)
        report.networks[self.name] = len(networks)

    def check_one(self, program, report, network):
        name, checkpoint, options, subnet, shape, golden = network
        x = generator.image(shape)
        given = self.folder / "input.safetensors"
        write_safetensors(given, {"input": x}, {})
        answer = program("forward", self.name, *options, "--subnet", subnet, "--weights", checkpoint, "--input", given)
        want = np.array(answer["output"]["data"]).reshape(answer["output"]["shape"])
        for batch_norm in ("fold", "keep"):
            path = self.folder / "network.onnx"
            program("export", "--checkpoint", checkpoint, "--subnet", subnet, "--as-is", "--batch-norm", batch_norm,
                    "--image-size", shape[2], "--format", "onnx", "--out", path)
            check(path)
            for runtime, load in RUNTIMES.items():
                run = load(path)
                what = f"{name}, batch normalisation {batch_norm}"
                report.add(self.name, runtime, what, run({"image": x})["logits"], want)
                twice = run({"image": np.concatenate([x, x])})["logits"]
                report.add(self.name, runtime, what + ", twice", twice, np.concatenate([want, want]))
                if golden is not None:
                    report.add(self.name, runtime, what + ", golden", twice.ravel()[:len(golden)], golden)
        print(f"{self.name} {name}: checked", flush=True)


class NasBench201(Images):
    name = "nasbench201"
    OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

    def network(self, name, arch, classes, shape, golden):
        macro = {"channels": 16, "cells": 5, "classes": classes, "height": shape[2], "width": shape[3],
                 "input_channels": 3, "affine": True, "track": True}
        path = self.folder / f"{name}.safetensors"
        shapes = {n: s for n, s in self.shapes(arch, classes).items() if not n.endswith("num_batches_tracked")}
        write_checkpoint(path, self.name, macro, shapes, json.dumps({"arch": arch}, separators=(",", ":")))
        return name, path, ["--classes", classes], json.dumps({"arch": arch}), shape, golden

    @staticmethod
    def shapes(arch, classes):
        """spec/search-spaces.md 2.4."""
        shapes = {}

        def norm(name, channels):
            shapes.update({f"{name}.{part}": [channels] for part in ("weight", "bias", "running_mean", "running_var")})
        ops = [op.split("~")[0] for node in arch.split("+") for op in node.strip("|").split("|")]
        shapes["stem.0.weight"] = [16, 3, 3, 3]
        norm("stem.1", 16)
        channels = 16
        for i in range(17):
            if i in (5, 11):
                channels *= 2
                for part, inputs in (("conv_a", channels // 2), ("conv_b", channels)):
                    shapes[f"cells.{i}.{part}.op.1.weight"] = [channels, inputs, 3, 3]
                    norm(f"cells.{i}.{part}.op.2", channels)
                shapes[f"cells.{i}.downsample.1.weight"] = [channels, channels // 2, 1, 1]
                continue
            for e, op in enumerate(ops):
                if op.startswith("nor_conv"):
                    k = int(op[-1])
                    shapes[f"cells.{i}.layers.{e}.op.1.weight"] = [channels, channels, k, k]
                    norm(f"cells.{i}.layers.{e}.op.2", channels)
        norm("lastact.0", channels)
        shapes["classifier.weight"], shapes["classifier.bias"] = [classes, channels], [classes]
        return shapes

    def golden(self):
        for name, g in self.goldens.items():
            if name.startswith("nb201") and "logits" in g:
                yield self.network(name, g["arch"], g["classes"], g["input"], g["logits"])

    def draw(self, rng, i):
        o = [rng.choice(self.OPS) for _ in range(6)]
        arch = f"|{o[0]}~0|+|{o[1]}~0|{o[2]}~1|+|{o[3]}~0|{o[4]}~1|{o[5]}~2|"
        return self.network(f"random {i}", arch, 10, [2, 3, 32, 32], None)


class Supernet(Images):
    """Spaces whose networks are parts of one checkpoint."""

    def supernet(self, key, macro, skip):
        path = self.folder / f"{key}.safetensors"
        if not path.exists():
            shapes = {n: s for n, s in SHAPES[key].items() if not any(part in n for part in skip)}
            write_checkpoint(path, self.name, macro, shapes)
        return path


class MobileNetV3(Supernet):
    name = "mobilenetv3"

    def network(self, name, width, config, shape, golden):
        key = f"ofa_mbv3_w{width}"
        macro = {"width": width, "classes": 1000, "input_channels": 3, "resolutions": [128, 160, 192, 224]}
        path = self.supernet(key, macro, ("num_batches_tracked",))
        return name, path, ["--width", width], json.dumps({**config, "resolution": shape[2]}), shape, golden

    def golden(self):
        for name, g in self.goldens.items():
            if name.startswith("ofa_w") and "config" in g:
                yield self.network(name, g["width"], g["config"], g["input"], g["logits_first16"])

    def draw(self, rng, i):
        config = {"ks": [rng.choice((3, 5, 7)) for _ in range(20)], "e": [rng.choice((3, 4, 6)) for _ in range(20)],
                  "d": [rng.choice((2, 3, 4)) for _ in range(5)]}
        side = rng.choice((128, 160, 192, 224))
        return self.network(f"random {i}", rng.choice((1.0, 1.2)), config, [1, 3, side, side], None)


class SuperVit(Supernet):
    name = "supervit"
    WIDTHS = ((16, 24), (16, 24), (24, 32), (32, 40), (64, 72), (112, 120, 128), (160, 168, 176, 184), (208, 216, 224),
              (1792, 1984))
    DEPTHS = ((1, 2), (3, 4, 5), (3, 4, 5, 6), (3, 4, 5, 6), range(3, 10), range(3, 9), (3, 4, 5, 6))

    def network(self, name, config, shape, golden):
        macro = {"classes": 1000, "input_channels": 3, "resolutions": []}
        path = self.supernet("nasvit_supernet", macro, ("num_batches_tracked", "bn_tracking", "relative_position_index",
                                                        ".rescale"))
        return name, path, [], json.dumps(config), shape, golden

    def supernet(self, key, macro, skip):
        # The tables rescale_mlp and rescale_attn are weights, the tensor rescale is not.
        path = self.folder / f"{key}.safetensors"
        if not path.exists():
            shapes = {n: s for n, s in SHAPES[key].items()
                      if n.endswith(("rescale_mlp", "rescale_attn")) or not any(part in n for part in skip)}
            write_checkpoint(path, self.name, macro, shapes)
        return path

    def golden(self):
        for name, g in self.goldens.items():
            if name.startswith("nasvit"):
                yield self.network(name, g["config"], g["input"], g["logits_first16"])

    def draw(self, rng, i):
        config = {"resolution": rng.choice((192, 224, 256, 288)), "width": [rng.choice(w) for w in self.WIDTHS],
                  "depth": [rng.choice(d) for d in self.DEPTHS],
                  "kernel_size": [rng.choice((3, 5)), rng.choice((3, 5)), 3, 3, 3, 3, 3],
                  "expand_ratio": [1, *(rng.choice((4, 5, 6)) for _ in range(4)), 6, 6]}
        return self.network(f"random {i}", config, [1, 3, config["resolution"], config["resolution"]], None)


# --------------------------------------------------------------------------------------------------------- translators

class SuperTransformer:
    name = "supertransformer"

    def __init__(self, folder, goldens):
        self.folder, self.goldens = folder, goldens

    def check(self, program, report, rng, count):
        networks = [(name, g["space"], g["vocab"], g["config"], g["src"], g["prev"], g) for name, g in self.goldens.items()
                    if name.startswith("hat_") and "logits" in g]
        networks += [self.draw(rng, i) for i in range(count)]
        for network in networks:
            self.check_one(program, report, *network)
        report.networks[self.name] = len(networks)

    @staticmethod
    def draw(rng, i):
        task = rng.choice(("wmt", "iwslt"))
        hidden, heads = ((1024, 2048, 3072), (4, 8)) if task == "wmt" else ((512, 1024, 2048), (2, 4))
        layers = rng.randint(1, 6)

        def several(values, n):
            return [rng.choice(values) for _ in range(n)]
        config = {"encoder": {"encoder_embed_dim": rng.choice((512, 640)), "encoder_layer_num": 6,
                              "encoder_ffn_embed_dim": several(hidden, 6), "encoder_self_attention_heads": several(heads, 6)},
                  "decoder": {"decoder_embed_dim": rng.choice((512, 640)), "decoder_layer_num": layers,
                              "decoder_ffn_embed_dim": several(hidden, layers),
                              "decoder_self_attention_heads": several(heads, layers),
                              "decoder_ende_attention_heads": several(heads, layers),
                              "decoder_arbitrary_ende_attn": several((-1, 1, 2), layers)}}
        source = [[PAD] * pad + [rng.randrange(4, 100) for _ in range(8 - pad)] + [2] for pad in (0, 3, 5)]
        previous = [[2] + [rng.randrange(4, 100) for _ in range(9)] for _ in range(3)]
        return f"random {i} ({task})", task, 100, config, source, previous, None

    def checkpoint(self, task, vocabulary):
        path = self.folder / f"hat_{task}.safetensors"
        if not path.exists():
            skip = ("version", "_float_tensor") + (("encoder.embed_tokens",) if task == "wmt" else ())
            shapes = {n: s for n, s in SHAPES[f"hat_{task}_vocab100"].items() if not any(part in n for part in skip)}
            macro = {"task": task, "source_vocabulary": vocabulary, "target_vocabulary": vocabulary, "widths": []}
            write_checkpoint(path, self.name, macro, shapes)
        return path

    def check_one(self, program, report, name, task, vocabulary, config, source, previous, golden):
        checkpoint, subnet = self.checkpoint(task, vocabulary), json.dumps(config)
        answer = program("forward", self.name, "--task", task, "--vocabulary", vocabulary, "--subnet", subnet, "--weights",
                         checkpoint, "--source", json.dumps(source), "--previous", json.dumps(previous))
        want = np.array(answer["output"]["data"]).reshape(answer["output"]["shape"])
        for beam in (1, 3):
            program("export", "--checkpoint", checkpoint, "--subnet", subnet, "--format", "onnx", "--beam", beam, "--out",
                    self.folder / "translator.onnx")
            encoder, decoder = self.folder / "translator.encoder.onnx", self.folder / "translator.decoder.onnx"
            check(encoder)
            caches = {i.name: i.type.tensor_type.shape.dim[2].dim_value for i in check(decoder).graph.input
                      if i.name.startswith("cache.")}
            for runtime, load in RUNTIMES.items():
                encode, step = load(encoder), load(decoder)
                for growing in (True, False):
                    got = self.decode(encode, step, caches, np.array(source), np.array(previous), beam, growing)
                    what = f"{name}, beam {beam}, caches that {'grow' if growing else 'are fixed'}"
                    report.add(self.name, runtime, what, got, want)
                    if golden is not None:
                        report.add(self.name, runtime, what + ", golden", got[0, 0, :8], golden["logits_b0_t0_first8"])
                        report.add(self.name, runtime, what + ", golden", got[1, 3, :8], golden["logits_b1_t3_first8"])
        print(f"{self.name} {name}: checked", flush=True)

    @staticmethod
    def decode(encode, step, caches, source, previous, beam, growing):
        """The logits of all tokens of `previous`, one after the other."""
        inputs = {**encode({"source": source}), "source": source}
        rows, length = len(source) * beam, previous.shape[1]
        tokens = np.repeat(previous, beam, axis=0)
        positions = np.where(tokens == PAD, PAD, PAD + np.cumsum(tokens != PAD, axis=1))
        for cache, features in caches.items():
            inputs[cache] = np.zeros((rows, 0 if growing else length, features), np.float32)
        logits = []
        for t in range(length):
            capacity = t + 1 if growing else length
            inputs["token"], inputs["position"] = tokens[:, t:t + 1], positions[:, t:t + 1]
            inputs["at"] = np.array([t])
            inputs["held"] = np.tile(np.where(np.arange(capacity) <= t, 0, PAD), (rows, 1))
            outputs = step(inputs)
            logits.append(outputs["logits"][::beam, 0])
            for cache in caches:
                inputs[cache] = outputs[cache + ".next"]
        return np.stack(logits, axis=1)


SPACES = {space.name: space for space in (NasBench201, MobileNetV3, SuperVit, SuperTransformer)}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--program", default=str(ROOT / "build/release/bin/mathnas"), help="mathnas (build/release/bin/mathnas)")
    p.add_argument("--spaces", nargs="+", choices=tuple(SPACES), default=tuple(SPACES))
    p.add_argument("--golden", type=Path, default=ROOT / "tests/golden/search-spaces-golden.json")
    p.add_argument("--random", type=int, default=4, help="random networks of each space (4)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--bound", type=float, default=1e-4, help="the largest deviation that is allowed (1e-4)")
    args = p.parse_args()
    generator.check_itself()
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__.split('-')[0]}")
    report, program = Report(args.bound), Program(args.program)
    with tempfile.TemporaryDirectory() as folder:
        for name in args.spaces:
            SPACES[name](Path(folder), json.loads(args.golden.read_text())).check(
                program, report, random.Random(args.seed), args.random)
    report.print()
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
