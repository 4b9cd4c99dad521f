"""A network of the NAS-Bench-201 space (spec/search-spaces.md 2) with the reference's tensor names, written anew. `none` edges
are dropped wherever that changes no gradient; `tuned` has one ReLU per node instead of one per edge, and sums in place."""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from common import generator, torch_modes
from nasbench201.arch import EDGES


class ConvBn(nn.Module):
    """ReLU (not in place), convolution, batch norm. With `relu` false the caller has applied the ReLU already."""

    def __init__(self, inputs, outputs, kernel, stride=1, relu=True):
        super().__init__()
        self.op = nn.Sequential(nn.ReLU() if relu else nn.Identity(),
                                nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                                nn.BatchNorm2d(outputs))

    def forward(self, x):
        return self.op(x)


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def kept_edges(ops):
    """The edges that must run: all but `none`, and of those the ones without which a node would have no input, or would
    drop out of the graph (in the reference what lies before `none` gets a zero gradient, not none at all: weight decay and
    BN statistics still move)."""
    kept = {e for e, op in enumerate(ops) if op != "none"}
    for target in (1, 2, 3):
        incoming = [e for e, (t, _) in enumerate(EDGES) if t == target]
        if not kept.intersection(incoming):
            kept.add(incoming[0])
    for source in (2, 1, 0):
        outgoing = [e for e, (_, s) in enumerate(EDGES) if s == source]
        if not kept.intersection(outgoing):
            kept.add(outgoing[0])
    return kept


class Cell(nn.Module):
    def __init__(self, ops, channels, tuned):
        super().__init__()
        self.tuned = tuned
        make = {"none": Zero, "skip_connect": nn.Identity,
                "nor_conv_1x1": lambda: ConvBn(channels, channels, 1, relu=not tuned),
                "nor_conv_3x3": lambda: ConvBn(channels, channels, 3, relu=not tuned),
                "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False)}
        self.layers = nn.ModuleList(make[op]() for op in ops)
        kept = kept_edges(ops)
        self.incoming = [[(e, s) for e, (t, s) in enumerate(EDGES) if t == target and e in kept] for target in (1, 2, 3)]
        self.is_conv = [op.startswith("nor_conv") for op in ops]
        self.owns_output = [op != "skip_connect" for op in ops]

    def forward(self, x):
        if self.tuned:
            return self.forward_tuned(x)
        nodes = [x]
        for edges in self.incoming:
            total = None
            for e, s in edges:
                y = self.layers[e](nodes[s])
                total = y if total is None else total + y
            nodes.append(total)
        return nodes[3]

    def forward_tuned(self, x):
        nodes, rectified = [x], [None] * 4
        for edges in self.incoming:
            total, owned = None, False
            for e, s in edges:
                if self.is_conv[e] and rectified[s] is None:
                    rectified[s] = F.relu(nodes[s])
                y = self.layers[e](rectified[s] if self.is_conv[e] else nodes[s])
                if total is None:
                    total, owned = y, self.owns_output[e]
                elif owned:
                    total.add_(y)
                else:
                    total, owned = total + y, True
            nodes.append(total)
        return nodes[3]


class Reduction(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_a = ConvBn(inputs, outputs, 3, 2)
        self.conv_b = ConvBn(outputs, outputs, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x):
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class Network(nn.Module):
    def __init__(self, ops, channels=16, cells=5, classes=10, input_channels=3, tuned=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(input_channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(3):
            width = channels << stage
            if stage:
                self.cells.append(Reduction(width // 2, width))
            self.cells.extend(Cell(ops, width, tuned) for _ in range(cells))
        self.lastact = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.classifier = nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(F.adaptive_avg_pool2d(self.lastact(x), 1).flatten(1))


def make_sgd(net, lr, kind="fused"):
    return torch_modes.sgd(net.parameters(), lr, 5e-4, kind)


@torch.no_grad()
def fill_by_name(net):
    """The deterministic weights of specification section 1.2, rounded to float32."""
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(generator.value(name, tuple(tensor.shape)).astype(np.float32)))
    return net
