"""Golden values of the NAS-Bench-201 space: is the network that of the specification?"""
import json

import numpy as np
import torch
from torch.nn import functional as F

from common import generator
from common.generator import Failed, expect, uniform
from nasbench201 import arch, network


def input_tensor(shape, name="input"):
    return torch.from_numpy(generator.image(shape, name))


def forward_cases(path):
    with open(path) as file:
        golden = json.load(file)
    cases = {name: case for name, case in golden.items() if name.startswith("nb201_") and "logits" in case}
    if not cases:
        raise Failed("no NAS-Bench-201 cases in the golden file")
    return cases


def check_forward(path, say):
    """Golden logits and layer sums: float64 plain and tuned, then float32 in both memory formats."""
    generator.check_itself()
    for name, case in forward_cases(path).items():
        ops, x = arch.parse(case["arch"]), input_tensor(case["input"])
        want = case["logits"]
        off = {}
        for tuned in (False, True):
            net = network.fill_by_name(network.Network(ops, classes=case["classes"], tuned=tuned).double()).eval()
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
                net32 = network.fill_by_name(network.Network(ops, classes=case["classes"], tuned=tuned)).eval().to(memory_format=memory_format)
                with torch.no_grad():
                    logits = net32(x.to(memory_format=memory_format))
                off[f"float32 {layout}"] = expect(f"{name}: {layout}", logits.flatten()[:len(want)], want, 1e-5)
        say(f"check {name}: " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))


def check_training(path, say, optimizer_kind):
    """Golden losses, gradients and updated values in float64, for whole steps of the single networks."""
    with open(path) as file:
        sequences = json.load(file)["sequences"]
    cases = [s for s in sequences.values() if s["space"] == "nb201" and "input_names" in s]
    if not cases:
        raise Failed("no NAS-Bench-201 sequences in the golden file")
    for case in cases:
        for tuned in (False, True):
            net = network.fill_by_name(network.Network(arch.parse(case["arch"]), classes=case["classes"], tuned=tuned).double()).train()
            params, optimizer, worst = dict(net.named_parameters()), None, {"loss": 0.0, "gradient": 0.0, "value": 0.0}
            for index, step in enumerate(case["steps"]):
                if optimizer is None:
                    optimizer = network.make_sgd(net, step["lr"], optimizer_kind)
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
