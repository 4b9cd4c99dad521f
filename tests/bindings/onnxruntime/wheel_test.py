#!/usr/bin/env python3
"""wheel_test.py LIBRARY FILES PROGRAM: the operator mathnas.Network inside of the released onnxruntime.

FILES are those of tests/bindings/c/make_files: networks, and what they answer, computed in double. PROGRAM is mathnas,
which exports the same networks as ONNX; plain onnxruntime runs those. Exits with 77 where Python has no onnx or no
onnxruntime."""

import os
import subprocess
import sys
import tempfile
import threading

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

LIBRARY, FILES, PROGRAM = sys.argv[1:]
SUBNET = '{"arch": "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"}'
BUDGETS = ["latency<=100", "latency<=18", "latency<=9", "latency<=5"]
failures = []


def check(right, what):
    print(("ok      " if right else "FAILED  ") + what)
    if not right:
        failures.append(what)


def path(name):
    return os.path.join(FILES, name)


def values(name, dtype, *shape):
    return np.fromfile(path(name), dtype).reshape(shape)


def difference(a, b):
    """The largest, as a part of the largest value of b."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def images(name, count):
    """Values as make_files has them, {N,H,W,C}, as a graph has them."""
    return np.ascontiguousarray(values(name, np.float32, count, 8, 8, 3).transpose(0, 3, 1, 2))


def session(takes_budget=False, says_choice=False, layout="NCHW", operator="Network", **attributes):
    """A graph of one node."""
    shape = ["batch", 3, 8, 8] if layout == "NCHW" else ["batch", 8, 8, 3]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])]
    if takes_budget:
        inputs.append(helper.make_tensor_value_info("budget", TensorProto.STRING, ["limits"]))
    if says_choice:
        outputs.append(helper.make_tensor_value_info("choice", TensorProto.INT64, ["nodes"]))
    if layout != "NCHW":
        attributes["layout"] = layout
    node = helper.make_node(operator, [i.name for i in inputs], [o.name for o in outputs], domain="mathnas", **attributes)
    model = helper.make_model(helper.make_graph([node], "one", inputs, outputs),
                              opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("mathnas", 1)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(LIBRARY)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def exported(folder, *arguments):
    """The same network as an ONNX file, in plain onnxruntime."""
    out = os.path.join(folder, "network.onnx")
    subprocess.run([PROGRAM, "export", *arguments, "--format", "onnx", "--out", out], check=True, capture_output=True)
    return onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])


def refused(what, *expected, **attributes):
    try:
        session(**attributes)
    except Exception as error:  # onnxruntime has a class for each code
        missing = [e for e in expected if e not in str(error)]
        check(not missing, f"{what} is refused: {str(error).split('mathnas.Network: ')[-1]}")
    else:
        check(False, f"{what} is refused")


def test_network(folder):
    x, expected = images("values.f32", 5), values("logits.f32", np.float32, 5, 10)
    plain = exported(folder, path("network.mathnas")).run(None, {"images": x})[0]
    run = session(file=path("network.mathnas")).run(None, {"image": x})[0]
    check(difference(run, expected) < 1e-4, f"a deployed network: {difference(run, expected):.1e} from double")
    check(difference(run, plain) < 1e-4, f"a deployed network: {difference(run, plain):.1e} from its export")
    last = session(file=path("network.mathnas"), layout="NHWC", says_choice=True)
    answer, choice = last.run(None, {"image": np.ascontiguousarray(x.transpose(0, 2, 3, 1))})
    check(np.array_equal(answer, run) and choice.shape == (0,), "channels last: the same, and no choice")
    one = session(file=path("network.mathnas"))
    for count in (1, 3, 5, 2, 1, 0):
        rows = one.run(None, {"image": x[:count]})[0]
        check(rows.shape == (count, 10) and (count == 0 or difference(rows, expected[:count]) < 1e-4), f"{count} images")
    try:
        one.run(None, {"image": x[:, :, :7]})
        check(False, "another size is refused")
    except Exception as error:
        check("expected {N,3,8,8}" in str(error) or "Got: 7 Expected: 8" in str(error), "another size is refused")


def test_subnet(folder):
    x, expected = images("subnet_values.f32", 5), values("subnet_logits.f32", np.float32, 5, 10)
    supernet = path("supernet.safetensors")
    plain = exported(folder, "--checkpoint", supernet, "--subnet", SUBNET, "--as-is").run(None, {"image": x})[0]
    run = session(file=supernet, subnet=SUBNET).run(None, {"image": x})[0]
    check(difference(run, expected) < 1e-4, f"a network of a supernet: {difference(run, expected):.1e} from double")
    check(difference(run, plain) < 1e-4, f"a network of a supernet: {difference(run, plain):.1e} from its export")
    inline = os.path.join(folder, "subnet.json")
    with open(inline, "w", encoding="utf-8") as file:
        file.write(SUBNET)
    check(np.array_equal(session(file=supernet, subnet="@" + inline).run(None, {"image": x})[0], run), "@file of a subnet")


SERVER = dict(file=path("supernet.safetensors"), table=path("server_table.json"), estimator="linear",
              statistics=path("server_known.safetensors"))


def test_budgets():
    x = images("server_values.f32", 2)
    expected, choices = values("server_logits.f32", np.float32, 4, 2, 10), values("server_choices.i32", np.int32, 4, 6)
    served = session(takes_budget=True, says_choice=True, **SERVER)
    for budget in (0, 3, 1, 2, 1, 0):
        logits, choice = served.run(None, {"image": x, "budget": np.array([BUDGETS[budget]])})
        check(np.array_equal(choice, choices[budget]) and difference(logits, expected[budget]) < 1e-4,
              f"{BUDGETS[budget]}: {difference(logits, expected[budget]):.1e} from double")
    for words in ([], [""]):
        choice = served.run(["choice"], {"image": x, "budget": np.array(words, dtype=object)})[0]
        check(np.array_equal(choice, choices[0]), f"the budget {words} changes nothing")
    several = np.array(["latency<=100", "accuracy>=1; latency<=9 ms"])
    check(np.array_equal(served.run(["choice"], {"image": x, "budget": several})[0], choices[2]), "several limits")
    for words, text in (["latency<=0.5", "nearest budget that can be met"], ["mass<=1", "mass"], ["latency", "latency"]):
        try:
            served.run(None, {"image": x, "budget": np.array([words])})
            check(False, f"{words} is refused")
        except Exception as error:
            check(text in str(error), f"{words} is refused: {str(error).split('mathnas.Network: ')[-1]}")
        choice = served.run(["choice"], {"image": x, "budget": np.array([], dtype=object)})[0]
        check(np.array_equal(choice, choices[2]), "and changes nothing")
    for i, words in enumerate(BUDGETS):
        node = session(says_choice=True, budget=words, **SERVER)
        check(np.array_equal(node.run(["choice"], {"image": x})[0], choices[i]), f"the attribute budget {words}")


def test_threads():
    """Two sessions, two threads in each; every answer is that of the subnet that it names."""
    x = images("server_values.f32", 2)
    expected, choices = values("server_logits.f32", np.float32, 4, 2, 10), values("server_choices.i32", np.int32, 4, 6)
    sessions = [session(takes_budget=True, says_choice=True, lanes=2, prepared=3, **SERVER) for _ in range(2)]
    wrong, answered = [], []

    def ask(which, seed):
        random = np.random.default_rng(seed)
        for i in range(100):
            words = [BUDGETS[random.integers(4)]] if i % 5 == 0 else []
            logits, choice = sessions[which].run(None, {"image": x, "budget": np.array(words, dtype=object)})
            found = [b for b in range(4) if np.array_equal(choice, choices[b])]
            answered.append(1)
            if not found or difference(logits, expected[found[0]]) >= 1e-4:
                wrong.append(choice)

    threads = [threading.Thread(target=ask, args=(t % 2, t)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(len(answered) == 400 and not wrong, f"{len(answered)} answers in four threads of two sessions, {len(wrong)} wrong")


def test_refused():
    network, supernet = path("network.mathnas"), path("supernet.safetensors")
    refused("no file", "attribute file")
    refused("a file that is missing", "no/such", file="no/such")
    refused("a damaged file", "damaged", file=path("damaged.mathnas"))
    for name in ("network.mathnas", "supernet.safetensors"):
        refused("a truncated file", f"truncated-{name}", file=path(f"truncated-{name}"))
        refused("a file of a version to come", f"newer-{name}", "this version of the library reads", file=path(f"newer-{name}"))
    refused("a table of a version to come", "mathnas-block-table/1", **{**SERVER, "table": path("newer-server_table.json")})
    refused("statistics of a version to come", "mathnas-statistics/1",
            **{**SERVER, "statistics": path("newer-server_known.safetensors")})
    refused("a translator", "mathnas_translator_open", file=path("translator.mathnas"))
    refused("a supernet alone", "attributes subnet, table", file=supernet)
    refused("a subnet of another space", "subnet", file=supernet, subnet='{"arch": "|x~0|"}')
    refused("a subnet in no file", "no/such", file=supernet, subnet="@no/such")
    refused("a table of one network", "attribute table", file=network, table=path("server_table.json"))
    refused("a table that is none", "attribute table", file=supernet, table=network)
    refused("statistics without a table", "attribute statistics", file=supernet, subnet=SUBNET, statistics="x")
    refused("no statistics", "no statistics of its own", **{k: v for k, v in SERVER.items() if k != "statistics"})
    refused("a layout", "attribute layout", file=network, layout="CHWN")
    refused("a number as a file", "attribute file: a number", file=7)
    refused("a text as a number", "attribute threads: expected an integer", file=network, threads="many")
    refused("no threads", "attribute threads: 0", file=network, threads=0)
    refused("another operator", "Networks", file=network, operator="Networks")


def main():
    print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        test_network(folder)
        test_subnet(folder)
    test_budgets()
    test_threads()
    test_refused()
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
