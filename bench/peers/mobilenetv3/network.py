"""Static networks of the once-for-all MobileNetV3 space in PyTorch (spec/search-spaces.md, section 3), written anew, with
the deterministic weights of section 1.2 as the supernet hands them down. Import after set_environment()."""
import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from common import generator
from mobilenetv3.subnet import POSITIONS, parse

# Output channels at width 1.0, stride of the first block, squeeze-excite, activation.
STAGE_TABLE = ((24, 2, False, nn.ReLU), (40, 2, True, nn.ReLU), (80, 2, False, nn.Hardswish),
               (112, 1, True, nn.Hardswish), (160, 2, True, nn.Hardswish))


def divisible(v, divisor=8):
    rounded = max(divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


class ConvBn(nn.Module):
    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1, act=None, se=False):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        # ReLU overwrites its input as PyTorch's users have it; Hardswish would have to copy it for the backward pass.
        self.act = nn.Identity() if act is None else act(inplace=act is nn.ReLU)
        self.se = SqueezeExcite(outputs) if se else nn.Identity()

    def forward(self, x):
        return self.se(self.act(self.bn(self.conv(x))))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        mid = divisible(channels // 4)
        self.fc = nn.Sequential()
        self.fc.add_module("reduce", nn.Conv2d(channels, mid, 1))
        self.fc.add_module("relu", nn.ReLU(inplace=True))
        self.fc.add_module("expand", nn.Conv2d(mid, channels, 1))
        self.fc.add_module("h_sigmoid", nn.Hardsigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3), keepdim=True))


class Block(nn.Module):
    """`index` is that of the supernet; `expansion` 0 is block 0, which has no expanding convolution."""

    def __init__(self, index, inputs, outputs, kernel, stride, expansion, act, se):
        super().__init__()
        self.index = index
        mid = divisible(inputs * expansion) if expansion else inputs
        self.conv = nn.Sequential()
        if expansion:
            self.conv.add_module("inverted_bottleneck", ConvBn(inputs, mid, act=act))
        self.conv.add_module("depth_conv", ConvBn(mid, mid, kernel, stride, mid, act, se))
        self.conv.add_module("point_linear", ConvBn(mid, outputs))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.conv(x)
        return x + y if self.shortcut else y


class Network(nn.Module):
    """`subnet` as mobilenetv3.subnet.parse() returns it."""

    def __init__(self, subnet, width=1.0, classes=1000):
        super().__init__()
        scaled = lambda channels: divisible(channels * width)
        inputs = scaled(16)
        self.first_conv = ConvBn(3, inputs, 3, 2, act=nn.Hardswish)
        blocks = [Block(0, inputs, inputs, 3, 1, 0, nn.ReLU, False)]
        for stage, (outputs, stride, se, act) in enumerate(STAGE_TABLE):
            for position in range(subnet["d"][stage]):
                entry = stage * POSITIONS + position
                blocks.append(Block(entry + 1, inputs, scaled(outputs), subnet["ks"][entry], 1 if position else stride,
                                    subnet["e"][entry], act, se))
                inputs = scaled(outputs)
        self.blocks = nn.Sequential(*blocks)
        self.final_expand_layer = ConvBn(inputs, scaled(960), act=nn.Hardswish)
        self.feature_mix_layer = nn.Sequential()
        self.feature_mix_layer.add_module("conv", nn.Conv2d(scaled(960), scaled(1280), 1, bias=False))
        self.feature_mix_layer.add_module("act", nn.Hardswish())
        self.classifier = nn.Sequential()
        self.classifier.add_module("linear", nn.Linear(scaled(1280), classes))

    def forward(self, x):
        x = self.final_expand_layer(self.blocks(self.first_conv(x)))
        return self.classifier(self.feature_mix_layer(x.mean((2, 3), keepdim=True)).flatten(1))


def supernet_name(net, name):
    """The name that the supernet's state dict has for a tensor of this network (3.3)."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return name
    index = net.blocks[int(parts[1])].index
    parts[1] = str(index)
    if index and parts[4] in ("conv", "bn"):
        parts.insert(4, parts[4])
    return ".".join(parts)


@functools.lru_cache(maxsize=None)
def largest_shapes(width, classes):
    with torch.device("meta"):
        net = Network(parse("largest"), width, classes)
    return {supernet_name(net, name): tuple(t.shape) for name, t in net.state_dict().items()}


def handed_down(name, shape, full_shape):
    """The leading slice of the supernet's tensor; depthwise kernels below 7 through the block's matrices (3.2)."""
    stored = generator.value(name, full_shape).astype(np.float32)
    if not name.endswith("depth_conv.conv.conv.weight"):
        return stored[tuple(slice(0, n) for n in shape)]
    kernel = stored[:shape[0]].astype(np.float64)
    for side, matrix in ((5, "7to5_matrix"), (3, "5to3_matrix")):
        if side >= shape[2]:
            m = generator.value(name.removesuffix("conv.weight") + matrix, (side * side, side * side)).astype(np.float32)
            centre = kernel[:, :, 1:-1, 1:-1].reshape(shape[0], 1, side * side)
            kernel = (centre @ m.astype(np.float64).T).reshape(shape[0], 1, side, side)
    return kernel


@torch.no_grad()
def fill(net, width=1.0):
    """The deterministic weights; returns the network."""
    shapes = largest_shapes(width, net.classifier.linear.out_features)
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            full = supernet_name(net, name)
            tensor.copy_(torch.from_numpy(handed_down(full, tuple(tensor.shape), shapes[full])))
    return net


def make(subnet, width=1.0, classes=1000, dtype=torch.float32):
    return fill(Network(subnet, width, classes).to(dtype), width)


def loss(logits, labels):
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


def parameter_groups(net):
    """(3.8) Batch norm and biases are not decayed."""
    named = list(net.named_parameters())
    free = [p for n, p in named if "bn" in n or "bias" in n]
    return [{"params": [p for n, p in named if "bn" not in n and "bias" not in n], "weight_decay": 3e-5},
            {"params": free, "weight_decay": 0.0}]
