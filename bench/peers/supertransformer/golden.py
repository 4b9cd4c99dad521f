"""Golden values of the HAT space: is the network that of the specification?"""
import json
import math

import torch

from common import generator
from common.generator import Failed, expect
from supertransformer import network, subnet


def tokens(rows):
    return torch.tensor(rows, dtype=torch.int64)


def cases(path):
    with open(path) as file:
        golden = json.load(file)
    found = {name: case for name, case in golden.items() if name.startswith("hat_") and "logits" in case}
    if not found:
        raise Failed("no HAT cases in the golden file")
    return found


def check_values(name, case, logits, bound):
    off = 0.0
    for rows, where in (("b0_t0", logits[0, 0]), ("b1_t3", logits[1, 3])):
        off = max(off, expect(f"{name}: logits {rows}", where[:8], case[f"logits_{rows}_first8"], bound))
    expect(f"{name}: L2 of the logits", logits.norm(), case["logits"]["l2"], bound)
    expect(f"{name}: sum of the logits", logits.sum(), case["logits"]["sum"], 10 * bound)
    return off


def check_steps(name, net, dtype):
    """Token by token, in both ways, gives what whole rows give; of a source without padding, two rows each."""
    source, previous = tokens([[40, 27, 47, 74, 2], [9, 51, 25, 24, 2]]), tokens([[2, 94, 72, 18], [2, 53, 96, 29],
                                                                               [2, 7, 8, 9], [2, 30, 31, 32]])
    want = net(source.repeat_interleave(2, 0), previous)
    memory, worst = network.Memory(net)(source), 0.0
    for views in (True, False):
        step = network.Step(net, 2, views)
        caches = step.caches(4, 6)
        for at in range(previous.shape[1]):
            logits = step(previous[:, at:at + 1], at if views else torch.tensor([at]), torch.arange(6)[None] <= at, memory, caches)
            worst = max(worst, expect(f"{name}: step {at}", logits[:, 0], want[:, at], 1e-12 if dtype == torch.float64 else 1e-4))
    return worst


@torch.no_grad()
def check_forward(path, say):
    """Golden logits, encoder layers and losses in float64, logits in float32, and decoding step by step. The reference's
    softmax is in float32, its logits are off by 1e-7 for that."""
    generator.check_itself()
    for name, case in cases(path).items():
        choice = subnet.parse(json.dumps(case["config"]), case["space"])
        source, previous, target = tokens(case["src"]), tokens(case["prev"]), tokens(case["target"])
        off = {}
        for dtype, bound in ((torch.float64, 1e-6), (torch.float32, 1e-5)):
            net = network.make(choice, case["vocab"], case["space"], dtype, padded=True).eval()
            logits = net(source, previous)
            off[str(dtype).removeprefix("torch.")] = check_values(name, case, logits.double(), bound)
            for layer, (x, want) in enumerate(zip(net.encode(source)[0], case["encoder_all"])):
                expect(f"{name}: L2 of encoder layer {layer}", x.double().norm(), want["l2"], bound)
            expect(f"{name}: loss", network.loss(logits, target), case["ls_loss_sum"], bound)
            off["steps"] = check_steps(name, network.make(choice, case["vocab"], case["space"], dtype).eval(), dtype)
        say(f"check {name}: " + ", ".join(f"{k} {v:.1e}" for k, v in off.items()))


def check_training(path, say):
    """Loss and gradients of the first step of the WMT sequence in float64. The golden gradient is divided by the tokens."""
    with open(path) as file:
        case = json.load(file)["sequences"]["hat_wmt"]
    step = case["steps"][0]
    choice = subnet.parse(json.dumps(case["nets"][step["net"]]), "wmt")
    net = network.make(choice, case["vocab"], "wmt", torch.float64, padded=True).train()
    value = network.loss(net(tokens(step["src"]), tokens(step["prev"])), tokens(step["target"]))
    off = expect("hat_wmt: loss", value.detach(), step["losses"][0], 1e-9)
    value.backward()
    squares = {}
    for name, parameter in net.named_parameters():
        full = network.supernet_tensors(net, name)[0].replace("decoder.embed_tokens", "encoder.embed_tokens")
        squares[full] = squares.get(full, 0.0) + parameter.grad.norm().item()**2
    wanted, worst = dict(zip(case["params"], step["grad"])), 0.0
    if {name for name, g in wanted.items() if g is not None} != set(squares):
        raise Failed("hat_wmt: other tensors have a gradient than in the golden file")
    for name, square in squares.items():
        worst = max(worst, expect(f"hat_wmt: gradient of {name}", math.sqrt(square) / step["ntokens"], wanted[name][1], 1e-8))
    say(f"check hat_wmt {step['net']}: loss {off:.1e}, {len(squares)} gradients {worst:.1e}")
