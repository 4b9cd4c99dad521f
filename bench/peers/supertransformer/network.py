"""Static networks of the HAT space in PyTorch (spec/search-spaces.md, section 4), written anew, with the deterministic
weights of section 1.2 as the supernet hands them down. Rows are (batch, time, width). Import after set_environment().

What PyTorch has that is fast is used: one product for queries, keys and values, scaled_dot_product_attention, no mask where
nothing is padded, keys and values kept in place when decoding."""
import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from common import generator
from supertransformer.subnet import PAD, QKV, TASKS, largest

MOST_TOKENS = 256  # of a row; rows of the table of positions


def positions(width, stored):
    """(4.2.2) Rows 0 to PAD are those of padding, row PAD + 1 is that of the first token."""
    half = stored // 2
    angles = np.arange(PAD + 1 + MOST_TOKENS)[:, None] * np.exp(-np.arange(half) * np.log(10000) / (half - 1))
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    table[:PAD + 1] = 0
    return torch.from_numpy(table[:, :width].copy())


def heads_of(x, heads):
    """(batch, time, features) as (batch, heads, time, features of a head)."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def attend(q, k, v, mask=None, causal=False):
    """Of heads; the result is (batch, time, features) again. `mask` is True where a key may be seen."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * QKV)
        self.out_proj = nn.Linear(QKV, width)

    def split(self, x):
        return self.in_proj(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)

    def forward(self, x, mask=None, causal=False):
        q, k, v = self.split(x)
        return self.out_proj(attend(q, k, v, mask, causal))


class CrossAttention(nn.Module):
    def __init__(self, width, memory_width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, QKV)
        self.kv_proj = nn.Linear(memory_width, 2 * QKV)
        self.out_proj = nn.Linear(QKV, width)

    def keys_values(self, memory):
        return self.kv_proj(memory).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)

    def forward(self, x, k, v, mask=None):
        return self.out_proj(attend(heads_of(self.q_proj(x), self.heads), k, v, mask))


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x), inplace=True))


class EncoderLayer(nn.Module):
    def __init__(self, width, hidden, heads):
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, hidden)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x, mask=None):
        x = self.self_attn_layer_norm(x + self.self_attn(x, mask))
        return self.final_layer_norm(x + self.ffn(x))


class DecoderLayer(nn.Module):
    """`memories` encoder layers are seen, the last ones."""

    def __init__(self, width, memory_width, hidden, heads, cross_heads, memories):
        super().__init__()
        self.memories = memories
        self.self_attn = SelfAttention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.encoder_attn = CrossAttention(width, memory_width, cross_heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, hidden)
        self.final_layer_norm = nn.LayerNorm(width)

    def keys_values(self, encoded):
        return self.encoder_attn.keys_values(torch.cat([encoded[-1 - i] for i in range(self.memories)], 1))

    def memory_mask(self, mask):
        return None if mask is None else mask.repeat(1, 1, 1, self.memories)

    def forward(self, x, encoded, mask=None):
        x = self.self_attn_layer_norm(x + self.self_attn(x, causal=True))
        k, v = self.keys_values(encoded)
        x = self.encoder_attn_layer_norm(x + self.encoder_attn(x, k, v, self.memory_mask(mask)))
        return self.final_layer_norm(x + self.ffn(x))


class Network(nn.Module):
    """`subnet` as supertransformer.subnet.parse() returns it. With `padded` rows may be padded, sources at the left."""

    def __init__(self, subnet, vocabulary, task="wmt", padded=False):
        super().__init__()
        sizes, encoder, decoder = TASKS[task], subnet["encoder"], subnet["decoder"]
        self.padded, self.shared = padded, sizes["shared"]
        we, wd = encoder["encoder_embed_dim"], decoder["decoder_embed_dim"]
        if self.shared:  # the wider side's columns; the narrower takes the leading ones
            self.embedding = nn.Embedding(vocabulary, max(we, wd), PAD)
        else:
            self.source_embedding = nn.Embedding(vocabulary, we, PAD)
            self.target_embedding = nn.Embedding(vocabulary, wd, PAD)
            self.embed_out = nn.Parameter(torch.zeros(vocabulary, wd))
        self.encoder_width, self.decoder_width = we, wd
        self.register_buffer("encoder_positions", positions(we, sizes["width"]), persistent=False)
        self.register_buffer("decoder_positions", positions(wd, sizes["width"]), persistent=False)
        self.encoder = nn.ModuleList(EncoderLayer(we, *entries) for entries in zip(
            encoder["encoder_ffn_embed_dim"], encoder["encoder_self_attention_heads"]))
        self.decoder = nn.ModuleList(DecoderLayer(wd, we, hidden, heads, cross, span + 1 if span > 0 else 1)
                                     for hidden, heads, cross, span in zip(
                                         decoder["decoder_ffn_embed_dim"], decoder["decoder_self_attention_heads"],
                                         decoder["decoder_ende_attention_heads"], decoder["decoder_arbitrary_ende_attn"]))

    def lookup(self, tokens, width, table, first=0):
        embedding = self.embedding if self.shared else getattr(
            self, "source_embedding" if table is self.encoder_positions else "target_embedding")
        x = embedding(tokens)[..., :width]
        if self.padded:
            real = tokens != PAD
            where = table[(real.cumsum(1) + PAD) * real]
        else:
            where = table[PAD + 1 + first:PAD + 1 + first + tokens.shape[1]]
        return torch.add(where, x, alpha=width**0.5)

    def encode(self, source):
        """The encoder's layers, and the mask of the source or None."""
        mask = (source != PAD)[:, None, None, :] if self.padded else None
        x, encoded = self.lookup(source, self.encoder_width, self.encoder_positions), []
        for layer in self.encoder:
            x = layer(x, mask)
            encoded.append(x)
        return encoded, mask

    def logits(self, x):
        if self.shared:
            return F.linear(x, self.embedding.weight[:, :self.decoder_width])
        return F.linear(x, self.embed_out)

    def forward(self, source, previous):
        encoded, mask = self.encode(source)
        x = self.lookup(previous, self.decoder_width, self.decoder_positions)
        for layer in self.decoder:
            x = layer(x, encoded, mask)
        return self.logits(x)


class Memory(nn.Module):
    """Of a network: sources as what the decoder's layers see, keys and values of all layers one after the other."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, source):
        encoded, _ = self.net.encode(source)
        return tuple(t for layer in self.net.decoder for t in layer.keys_values(encoded))


class Step(nn.Module):
    """One more token of each row, of an unpadded source; `beams` rows belong to a source. Caches of `capacity` tokens are
    written in place. With `views` only what is written is read; otherwise everything under a mask, one shape for all steps
    as compilers want it."""

    def __init__(self, net, beams, views):
        super().__init__()
        self.net, self.beams, self.views = net, beams, views

    def caches(self, rows, capacity):
        weight = self.net.encoder[0].ffn.fc1.weight
        return tuple(torch.zeros(rows, layer.self_attn.heads, capacity, QKV // layer.self_attn.heads, dtype=weight.dtype)
                     for layer in self.net.decoder for _ in range(2))

    def forward(self, token, at, seen, memory, caches):
        """token (rows, 1); `at` an int with views, else (1); `seen` (1, capacity), True up to `at`."""
        net = self.net
        x = (net.embedding if net.shared else net.target_embedding)(token)[..., :net.decoder_width]
        table = net.decoder_positions
        where = table[PAD + 1 + at] if self.views else table.index_select(0, at + (PAD + 1))
        x = torch.add(where, x, alpha=net.decoder_width**0.5)
        for i, layer in enumerate(net.decoder):
            q, k, v = layer.self_attn.split(x)
            keys, values = caches[2 * i:2 * i + 2]
            if self.views:
                keys[:, :, at:at + 1], values[:, :, at:at + 1] = k, v
                y = attend(q, keys[:, :, :at + 1], values[:, :, :at + 1])
            else:
                keys.index_copy_(2, at, k), values.index_copy_(2, at, v)
                y = attend(q, keys, values, seen)
            x = layer.self_attn_layer_norm(x + layer.self_attn.out_proj(y))
            # The rows of a source see the same memory: they are the queries of one product.
            queries = x.reshape(-1, self.beams, net.decoder_width)
            y = layer.encoder_attn(queries, *memory[2 * i:2 * i + 2]).reshape(x.shape)
            x = layer.encoder_attn_layer_norm(x + y)
            x = layer.final_layer_norm(x + layer.ffn(x))
        return net.logits(x)


def supernet_tensors(net, name):
    """(name of the supernet's state dict, rows of it) for a tensor of this network; rows None are the leading ones."""
    alone = {"embedding.weight": "decoder.embed_tokens.weight", "source_embedding.weight": "encoder.embed_tokens.weight",
             "target_embedding.weight": "decoder.embed_tokens.weight", "embed_out": "decoder.embed_out"}
    if name in alone:
        return alone[name], None
    side, layer, *rest = name.split(".")
    rest = ".".join(rest).removeprefix("ffn.")
    rows = None
    for part, begin, end in (("in_proj", 0, 3), ("q_proj", 0, 1), ("kv_proj", 1, 3)):
        if f".{part}." in rest:
            rows, rest = slice(begin * QKV, end * QKV), rest.replace(f"{part}.", "in_proj_")
    return f"{side}.layers.{layer}.{rest}", rows


@functools.lru_cache(maxsize=None)
def largest_shapes(task, vocabulary):
    with torch.device("meta"):
        net = Network(largest(task), vocabulary, task)
    shapes = {}
    for name, t in net.state_dict().items():
        full, rows = supernet_tensors(net, name)
        shapes[full] = (3 * QKV, *t.shape[1:]) if rows else tuple(t.shape)
    return shapes


@torch.no_grad()
def fill(net, task, vocabulary):
    """The deterministic weights; returns the network."""
    shapes = largest_shapes(task, vocabulary)
    for name, tensor in net.state_dict().items():
        full, rows = supernet_tensors(net, name)
        stored = generator.value(full, shapes[full]).astype(np.float32)
        stored = stored[rows] if rows else stored
        tensor.copy_(torch.from_numpy(stored[tuple(slice(0, n) for n in tensor.shape)]))
    return net


def make(subnet, vocabulary, task="wmt", dtype=torch.float32, padded=False):
    return fill(Network(subnet, vocabulary, task, padded).to(dtype), task, vocabulary)


def loss(logits, labels):
    """(4.6) A sum over the tokens that are not padding."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=PAD, label_smoothing=0.1, reduction="sum")
