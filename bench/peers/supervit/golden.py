"""Golden values of the NASViT space: is the network that of the specification?"""
import json
import re

import torch

from common import generator
from common.generator import Failed, expect
from supervit import network, subnet


def forward_cases(path):
    """(name, subnet, input shape, leading logits, the case)."""
    with open(path) as file:
        golden = json.load(file)
    found = [(name, subnet.parse(json.dumps(case["config"])), case["input"], case["logits_first16"], case)
             for name, case in golden.items() if name.startswith("nasvit_") and "logits_first16" in case]
    if not found:
        raise Failed("no NASViT cases in the golden file")
    return found


@torch.no_grad()
def check_forward(path, say):
    """Golden logits and layer sums in float64, then logits in float32 in both memory formats."""
    generator.check_itself()
    for name, choice, shape, want, case in forward_cases(path):
        net, acts = network.make(choice, dtype=torch.float64).eval(), {}
        for layer in case["acts"]:
            block = re.search(r"\(blk(\d+)\)", layer)
            module = net.blocks[int(block[1])] if block else getattr(net, layer)
            module.register_forward_hook(lambda _m, _i, y, layer=layer: acts.__setitem__(layer, y))
        x = torch.from_numpy(generator.image(shape))
        logits = net(x.double())
        for layer, y in acts.items():
            expect(f"{name}: shape of {layer}", y.shape, case["acts"][layer]["shape"], 0)
            expect(f"{name}: L2 of {layer}", y.norm(), case["acts"][layer]["l2"], 1e-8)
        off = {"float64": expect(f"{name}: logits", logits.flatten()[:len(want)], want, 1e-8)}
        expect(f"{name}: L2 of the logits", logits.norm(), case["summary"]["l2"], 1e-8)
        for layout in ("contiguous", "channels_last"):
            memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
            net32 = network.make(choice).eval().to(memory_format=memory_format)
            off[f"float32 {layout}"] = expect(
                f"{name}: {layout}", net32(x.to(memory_format=memory_format)).flatten()[:len(want)], want, 1e-4)
        say(f"check {name}: {len(acts)} layers, " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))


def check_training(path, say):
    """Loss and gradients of the first step, plain cross-entropy, in float64. Squeeze-excite's are off by 3e-8: PyTorch's
    derivative of Hardsigmoid has 1/6 rounded to float32."""
    with open(path) as file:
        case = json.load(file)["sequences"]["nasvit_plain"]
    step = case["steps"][0]
    net = network.make(subnet.parse(json.dumps(case["nets"][step["net"]])), case["classes"], torch.float64).train()
    x = torch.from_numpy(generator.image(case["input_shape"], case["input_names"][0])).double()
    value = network.loss(net(x), torch.tensor(case["labels"][0]))
    off = expect("nasvit_plain: loss", value.detach(), step["losses"][0], 1e-9)
    value.backward()
    wanted, compared, worst = dict(zip(case["params"], step["grad"])), set(), 0.0
    for name, parameter in net.named_parameters():
        parts = network.pieces(net, name)
        rows = [rows or parameter.shape[0] for _, rows, _ in parts]
        for (full, _, _), gradient in zip(parts, parameter.grad.split(rows)):
            compared.add(full)
            if full not in step["zero_grad"]:
                worst = max(worst, expect(f"nasvit_plain: gradient of {full}", gradient.norm(), wanted[full][1], 1e-6))
    if {name for name, g in wanted.items() if g is not None} != compared:
        raise Failed("nasvit_plain: other tensors have a gradient than in the golden file")
    say(f"check nasvit_plain {step['net']}: loss {off:.1e}, {len(compared)} gradients {worst:.1e}")
