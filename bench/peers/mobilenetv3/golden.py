"""Golden values of the once-for-all MobileNetV3 space: is the network that of the specification?"""
import json

import torch

from common import generator
from common.generator import Failed, expect
from mobilenetv3 import network, subnet

PARAMETERS = {(1.0, "largest"): 7664760, (1.0, "middle"): 4551792, (1.0, "smallest"): 3410792,  # spec 3.4
              (1.2, "largest"): 10701632, (1.2, "smallest"): 4602456}


def forward_cases(path):
    """(name, subnet, width, input shape, leading logits, the case) of the networks with the supernet's weights as made."""
    with open(path) as file:
        golden = json.load(file)
    found = [(name, subnet.parse(json.dumps(case["config"])), case["width"], case["input"], case["logits_first16"], case)
             for name, case in golden.items() if name.startswith("ofa_") and "logits_first16" in case]
    if not found:
        raise Failed("no once-for-all cases in the golden file")
    return found


def check_sizes():
    for (width, name), want in PARAMETERS.items():
        got = sum(p.numel() for p in network.Network(subnet.parse(name), width).parameters())
        if got != want:
            raise Failed(f"parameters of {name}, width {width}: {got}, {want} expected")


@torch.no_grad()
def check_forward(path, say):
    """Golden logits and layer sums in float64, then logits in float32 in both memory formats."""
    generator.check_itself()
    check_sizes()
    for name, choice, width, shape, want, case in forward_cases(path):
        net = network.make(choice, width, dtype=torch.float64).eval()
        acts, hooks = {}, []
        modules = {"first_conv": net.first_conv, **{f"blocks.{b.index}": b for b in net.blocks},
                   "final_expand_layer": net.final_expand_layer}
        for layer in set(case["acts"]) & set(modules):
            hooks.append(modules[layer].register_forward_hook(lambda _m, _i, y, layer=layer: acts.__setitem__(layer, y)))
        x = torch.from_numpy(generator.image(shape))
        logits = net(x.double())
        for hook in hooks:
            hook.remove()
        off = {"float64": expect(f"{name}: logits", logits.flatten()[:len(want)], want, 1e-8)}
        expect(f"{name}: L2 of the logits", logits.norm(), case["summary"]["l2"], 1e-8)
        for layer, y in acts.items():
            expect(f"{name}: shape of {layer}", y.shape, case["acts"][layer]["shape"], 0)
            expect(f"{name}: L2 of {layer}", y.norm(), case["acts"][layer]["l2"], 1e-8)
        for layout in ("contiguous", "channels_last"):
            memory_format = getattr(torch, "channels_last" if layout == "channels_last" else "contiguous_format")
            net32 = network.make(choice, width).eval().to(memory_format=memory_format)
            off[f"float32 {layout}"] = expect(
                f"{name}: {layout}", net32(x.to(memory_format=memory_format)).flatten()[:len(want)], want, 1e-5)
        say(f"check {name}: {len(acts)} layers, " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))


def check_training(path, say):
    """Golden losses of the first step's networks in float64, and the gradients of the first, which is the supernet's
    largest: gradients of the others go on through the supernet's matrices, which a static network has not. Those of
    squeeze-excite are off by 3e-8: PyTorch's derivative of Hardsigmoid has 1/6 rounded to float32."""
    with open(path) as file:
        case = json.load(file)["sequences"]["ofa_sandwich"]
    step = case["steps"][0]
    x = torch.from_numpy(generator.image(case["input_shape"], case["input_names"][0])).double()
    for index, name in enumerate(case["nets_per_step"][0]):
        net = network.make(subnet.parse(json.dumps(case["nets"][name])), case["width"], case["classes"], torch.float64).train()
        loss = network.loss(net(x), torch.tensor(case["labels"][0]))
        off = expect(f"ofa_sandwich: loss of {name}", loss.detach(), step["losses"][index], 1e-9)
        compared, worst = 0, 0.0
        if index == 0:
            loss.backward()
            for tensor, parameter in net.named_parameters():
                norms = step["grad_l2_after_each_net"].get(network.supernet_name(net, tensor))
                if norms and norms[0] is not None and norms[0] > 1e-9 * step["grad_l2_all"]:
                    worst = max(worst, expect(f"ofa_sandwich: gradient of {tensor}", parameter.grad.norm(), norms[0], 1e-7))
                    compared += 1
            if not compared:
                raise Failed("ofa_sandwich: no gradient to compare with")
        say(f"check ofa_sandwich {name}: loss {off:.1e}" + (f", {compared} gradients {worst:.1e}" if compared else ""))
