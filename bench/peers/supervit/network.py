"""Static networks of the NASViT space in PyTorch (spec/search-spaces.md, section 5), written anew, with the deterministic
weights of section 1.2 as the supernet hands them down. Import after set_environment()."""
import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from common import generator
from supervit.subnet import STAGES, parse

STRIDES = (1, 2, 2, 2, 2, 1, 2)
SQUEEZE_EXCITE = (False, False, True, False, True, True, True)
FIRST_TRANSFORMER_STAGE = 3  # mb4
HEAD, VALUE_RATIO, WINDOW = 8, 4, 18
STORED_BLOCKS = [sum(stage[1][-1] for stage in STAGES[:i]) for i in range(len(STAGES))]  # where the stages begin


def divisible(v, least=1, divisor=8):
    rounded = max(least, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


class ConvBn(nn.Module):
    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1, act=True, se=False):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.SiLU() if act else nn.Identity()
        self.se = SqueezeExcite(outputs) if se else nn.Identity()

    def forward(self, x):
        return self.se(self.act(self.bn(self.conv(x))))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        mid = divisible(channels // 4, 8)
        self.fc = nn.Sequential()
        self.fc.add_module("reduce", nn.Conv2d(channels, mid, 1))
        self.fc.add_module("relu", nn.ReLU(inplace=True))
        self.fc.add_module("expand", nn.Conv2d(mid, channels, 1))
        self.fc.add_module("h_sigmoid", nn.Hardsigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3), keepdim=True))


class MbBlock(nn.Module):
    """(5.2) Works on maps of `side`."""

    def __init__(self, inputs, outputs, kernel, stride, expansion, se, expands, side):
        super().__init__()
        mid = divisible(round(inputs * expansion))
        self.branch = nn.Sequential()
        if expands:
            self.branch.add_module("inverted_bottleneck", ConvBn(inputs, mid))
        self.branch.add_module("depth_conv", ConvBn(mid, mid, kernel, stride, mid, se=se))
        self.branch.add_module("point_linear", ConvBn(mid, outputs, act=False))
        self.pool = nn.AvgPool2d(stride, stride, side % 2) if stride > 1 else nn.Identity()
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return self.branch(x) + self.shortcut(self.pool(x))


class Mlp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.linear1 = nn.Linear(channels, channels)
        self.linear2 = nn.Linear(channels, channels)

    def forward(self, x):
        return self.linear2(F.silu(self.linear1(x)))


class Attention(nn.Module):
    """(5.3.6) Queries, keys and values are one product."""

    def __init__(self, channels, side):
        super().__init__()
        self.channels, self.side, self.heads = channels, side, channels // HEAD
        values = VALUE_RATIO * channels
        self.qkv = nn.Linear(channels, 2 * channels + values)
        self.vconv = nn.Conv2d(values, values, 3, padding=1, groups=values, bias=False)
        self.proj = nn.Linear(values, channels)
        self.proj_l = nn.Parameter(torch.zeros(self.heads, self.heads))
        self.proj_l_bias = nn.Parameter(torch.zeros(self.heads))
        self.proj_w = nn.Parameter(torch.zeros(self.heads, self.heads))
        self.proj_w_bias = nn.Parameter(torch.zeros(self.heads))
        self.table = nn.Parameter(torch.zeros((2 * WINDOW - 1)**2, self.heads))
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        y, x = y.flatten(), x.flatten()
        index = (y[:, None] - y + WINDOW - 1) * (2 * WINDOW - 1) + x[:, None] - x + WINDOW - 1
        self.register_buffer("index", index.flatten(), persistent=False)

    def mix(self, weight, bias, scores):
        """Over heads, which is one product for each image: (batch, heads, tokens * tokens)."""
        return torch.baddbmm(bias[:, None], weight.expand(len(scores), -1, -1), scores)

    def forward(self, t):
        batch, tokens, c = t.shape
        q, k, v = self.qkv(t).split((c, c, VALUE_RATIO * c), 2)
        v = v.transpose(1, 2).unflatten(2, (self.side, self.side))  # a map, channels last as tokens are
        v = self.vconv(v).flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)
        q = (q * HEAD**-0.5).unflatten(2, (self.heads, HEAD)).transpose(1, 2)
        k = k.unflatten(2, (self.heads, HEAD)).permute(0, 2, 3, 1)
        bias = self.table.index_select(0, self.index).t().unflatten(1, (tokens, tokens))
        scores = (q @ k + bias).flatten(2)
        scores = self.mix(self.proj_l, self.proj_l_bias, scores).unflatten(2, (tokens, tokens)).softmax(3)
        scores = self.mix(self.proj_w, self.proj_w_bias, scores.flatten(2)).unflatten(2, (tokens, tokens))
        return self.proj(F.silu((scores @ v).transpose(1, 2).flatten(2)))


class TransformerBlock(nn.Module):
    """(5.3) On maps of `side`. The rows of the rescale tables are those of this depth and side."""

    def __init__(self, channels, side):
        super().__init__()
        for norm in ("norm1", "norm2", "norm3"):
            self.register_parameter(f"{norm}_weight", nn.Parameter(torch.ones(channels)))
            self.register_parameter(f"{norm}_bias", nn.Parameter(torch.zeros(channels)))
        self.attn = Attention(channels, side)
        self.mlp1, self.mlp2 = Mlp(channels), Mlp(channels)
        self.rescale_attn = nn.Parameter(torch.ones(channels))
        self.rescale_mlp = nn.Parameter(torch.ones(channels))

    def norm(self, t, name):
        """Over tokens and channels together."""
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        return torch.addcmul(bias, F.layer_norm(t, t.shape[1:]), weight)

    def forward(self, x):
        batch, c, height, width = x.shape
        t = x.flatten(2).transpose(1, 2)
        scale = HEAD / c
        t = torch.addcmul(t, self.attn(self.norm(t, "norm1")), self.rescale_attn * scale)
        scale_mlp = self.rescale_mlp * scale
        t = torch.addcmul(t, self.mlp2(self.norm(t, "norm3")), scale_mlp)
        t = torch.addcmul(t, self.mlp1(self.norm(t, "norm2")), scale_mlp)
        return t.transpose(1, 2).unflatten(2, (height, width))


class Network(nn.Module):
    """`subnet` as supervit.subnet.parse() returns it."""

    def __init__(self, subnet, classes=1000):
        super().__init__()
        self.resolution, self.depths, widths = subnet["resolution"], subnet["depth"], subnet["width"]
        inputs, side, blocks = widths[0], subnet["resolution"] // 2, []
        self.first_conv = ConvBn(3, inputs, 3, 2)
        self.names = []  # of the supernet's blocks
        for stage in range(len(STAGES)):
            for position in range(self.depths[stage]):
                stride, outputs = 1 if position else STRIDES[stage], widths[stage + 1]
                if position and stage >= FIRST_TRANSFORMER_STAGE:
                    blocks.append(TransformerBlock(outputs, side))
                else:
                    blocks.append(MbBlock(inputs, outputs, subnet["kernel_size"][stage], stride, subnet["expand_ratio"][stage],
                                          SQUEEZE_EXCITE[stage], STAGES[stage][3][-1] > 1, side))
                self.names.append((stage, STORED_BLOCKS[stage] + position))
                inputs, side = outputs, (side + stride - 1) // stride
        self.blocks = nn.Sequential(*blocks)
        self.final_expand_layer = ConvBn(inputs, 6 * inputs)
        self.feature_mix_layer = nn.Conv2d(6 * inputs, widths[-1], 1, bias=False)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x):
        if x.shape[3] != self.resolution:
            x = F.interpolate(x, (self.resolution, self.resolution), mode="bicubic", align_corners=False)
        x = self.final_expand_layer(self.blocks(self.first_conv(x)))
        return self.classifier(F.silu(self.feature_mix_layer(x.mean((2, 3), keepdim=True))).flatten(1))


def pieces(net, name):
    """The parts of the supernet's state dict that a tensor of this network is made of, one below the other:
    [(name, how many rows, the entry of a table)]; None rows are all there are."""
    parts = name.split(".")
    if parts[0] == "blocks":
        stage, index = net.names[int(parts[1])]
        block, rest, prefix = net.blocks[int(parts[1])], ".".join(parts[2:]), f"blocks.{index}"
        if isinstance(block, TransformerBlock):
            channels = block.attn.channels
            if rest.startswith("attn.qkv."):
                kind = parts[-1]
                return [(f"{prefix}.attn.{part}.linear.{kind}", rows, None)
                        for part, rows in (("q", channels), ("k", channels), ("v", VALUE_RATIO * channels))]
            if rest.startswith("rescale_"):
                return [(f"{prefix}.{rest}", None, (net.depths[stage], block.attn.side**2 % 8))]
            if rest.startswith("norm"):
                return [(f"{prefix}.{rest.replace('_', '.')}", None, None)]
            if rest == "attn.table":
                return [(f"{prefix}.attn.relative_position_bias_table", None, None)]
            for mix in ("proj_l", "proj_w"):
                if rest.startswith(f"attn.{mix}"):
                    return [(f"{prefix}.attn.{mix}.linear.{'bias' if rest.endswith('_bias') else 'weight'}", None, None)]
            if rest == "attn.vconv.weight":
                return [(f"{prefix}.{rest}", None, None)]
            return [(f"{prefix}.{'.'.join(parts[2:-1])}.linear.{parts[-1]}", None, None)]
        if parts[2] == "shortcut":
            return [(f"{prefix}.shortcut.conv.conv.weight", None, None)]
        prefix += f".mobile_inverted_conv.{parts[3]}"
        kind = parts[4]
        return [(".".join([prefix, *([kind] if kind in ("conv", "bn") else []), *parts[4:]]), None, None)]
    if parts[0] == "first_conv":
        return [(f"first_conv.{parts[1]}.{'.'.join(parts[1:])}", None, None)]
    if parts[0] == "final_expand_layer":
        return [(f"last_conv.final_expand_layer.{parts[1]}.{'.'.join(parts[1:])}", None, None)]
    if parts[0] == "feature_mix_layer":
        return [("last_conv.feature_mix_layer.conv.conv.weight", None, None)]
    return [(f"classifier.linear.linear.{parts[1]}", None, None)]


@functools.lru_cache(maxsize=None)
def stored_shapes(classes):
    """Of the supernet: those of its largest network, tables and shortcuts in full."""
    with torch.device("meta"):
        net = Network(parse("largest"), classes)
    shapes = {}
    for name, t in net.state_dict().items():
        for full, rows, entry in pieces(net, name):
            shapes[full] = (10, 8, *t.shape) if entry else (rows or t.shape[0], *t.shape[1:]) if t.shape else ()
    # The supernet stores a shortcut's convolution for every block, the largest network has some of them.
    for (_, index), block in zip(net.names, net.blocks):
        if isinstance(block, MbBlock):
            inputs = block.branch[0].conv.in_channels
            shapes[f"blocks.{index}.shortcut.conv.conv.weight"] = (block.branch.point_linear.conv.out_channels, inputs, 1, 1)
    return shapes


def handed_down(full, shape, stored, entry):
    """The leading slice of the supernet's tensor, of kernels the centre (5.2), of a table one entry."""
    tensor = generator.value(full, stored).astype(np.float32)
    if entry:
        tensor = tensor[entry]
    if full.endswith("depth_conv.conv.conv.weight"):
        border = (stored[2] - shape[2]) // 2
        tensor = tensor[:, :, border:stored[2] - border, border:stored[3] - border]
    return tensor[tuple(slice(0, n) for n in shape)]


@torch.no_grad()
def fill(net):
    """The deterministic weights; returns the network."""
    shapes = stored_shapes(net.classifier.out_features)
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            parts = [handed_down(full, (rows or tensor.shape[0], *tensor.shape[1:]), shapes[full], entry)
                     for full, rows, entry in pieces(net, name)]
            tensor.copy_(torch.from_numpy(np.concatenate(parts)))
    return net


def make(subnet, classes=1000, dtype=torch.float32):
    return fill(Network(subnet, classes).to(dtype))


def loss(logits, labels):
    return F.cross_entropy(logits, labels)
