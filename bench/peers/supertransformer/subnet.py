"""Networks of the HAT space as data (spec/search-spaces.md 4.1), as the reference's own JSON has them. Loads no library."""
import argparse
import json

PAD, EOS, FIRST_WORD = 1, 2, 4
# Width, hidden and heads stored; the choices of each; the layers; whether all embeddings are one matrix; (4.4) length.
TASKS = {"wmt": {"width": 640, "hidden": (3072, 2048, 1024), "heads": (8, 4), "shared": True, "length": 30},
         "iwslt": {"width": 640, "hidden": (2048, 1024, 512), "heads": (4, 2), "shared": False, "length": 23}}
WIDTHS, LAYERS, QKV = (640, 512), 6, 512
SPANS = (-1, 1, 2)
# titanxp@57.1ms of the paper.
TITANXP57 = {"encoder": {"encoder_embed_dim": 512, "encoder_layer_num": 6, "encoder_ffn_embed_dim": [3072] * 6,
                         "encoder_self_attention_heads": [4, 8, 8, 8, 8, 8]},
             "decoder": {"decoder_embed_dim": 512, "decoder_layer_num": 1, "decoder_ffn_embed_dim": [3072],
                         "decoder_self_attention_heads": [8], "decoder_ende_attention_heads": [8],
                         "decoder_arbitrary_ende_attn": [1]}}
NAMES = ("titanxp57", "largest")


def rows(vocabulary, length):
    """Source and target tokens so far, one row each, the same for whoever asks."""
    words = [FIRST_WORD + 37 * i % (vocabulary - FIRST_WORD) for i in range(2 * length - 2)]
    return [words[:length - 1] + [EOS]], [[EOS] + words[length - 1:]]


def largest(task):
    hidden, heads = [TASKS[task]["hidden"][0]] * LAYERS, [TASKS[task]["heads"][0]] * LAYERS
    return {"encoder": {"encoder_embed_dim": WIDTHS[0], "encoder_layer_num": LAYERS, "encoder_ffn_embed_dim": hidden,
                        "encoder_self_attention_heads": heads},
            "decoder": {"decoder_embed_dim": WIDTHS[0], "decoder_layer_num": LAYERS, "decoder_ffn_embed_dim": hidden,
                        "decoder_self_attention_heads": heads, "decoder_ende_attention_heads": heads,
                        "decoder_arbitrary_ende_attn": [SPANS[-1]] * LAYERS}}


def parse(text, task="wmt"):
    """One of NAMES, or JSON. Lists are cut to the layers there are."""
    try:
        given = TITANXP57 if text == "titanxp57" else largest(task) if text == "largest" else json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"neither {', '.join(NAMES)} nor JSON: {text} ({error})")
    sizes, subnet = TASKS[task], {}
    lists = {"encoder": {"ffn_embed_dim": sizes["hidden"], "self_attention_heads": sizes["heads"]},
             "decoder": {"ffn_embed_dim": sizes["hidden"], "self_attention_heads": sizes["heads"],
                         "ende_attention_heads": sizes["heads"], "arbitrary_ende_attn": SPANS}}
    for side, fields in lists.items():
        part = given.get(side) if isinstance(given, dict) else None
        part = part if isinstance(part, dict) else {}
        width, layers = part.get(f"{side}_embed_dim"), part.get(f"{side}_layer_num")
        if width not in WIDTHS:
            raise argparse.ArgumentTypeError(f"{side}_embed_dim: expected one of {WIDTHS}: {width}")
        if not isinstance(layers, int) or not 1 <= layers <= LAYERS:
            raise argparse.ArgumentTypeError(f"{side}_layer_num: expected 1 to {LAYERS}: {layers}")
        subnet[side] = {f"{side}_embed_dim": width, f"{side}_layer_num": layers}
        for field, allowed in fields.items():
            entries = part.get(f"{side}_{field}")
            if not isinstance(entries, list) or len(entries) < layers or not set(entries[:layers]) <= set(allowed):
                raise argparse.ArgumentTypeError(f"{side}_{field}: expected {layers} of {allowed}: {entries}")
            subnet[side][f"{side}_{field}"] = entries[:layers]
    return subnet
