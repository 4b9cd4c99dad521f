"""Networks of the NASViT space as data (spec/search-spaces.md 5.1), as the reference's JSON has them. Loads no library."""
import argparse
import json

# Widths, depths, kernels and expansions of the stages mb1 to mb7; the widths of first_conv and last_conv.
STAGES = (((16, 24), (1, 2), (3, 5), (1,)), ((24, 32), (3, 4, 5), (3, 5), (4, 5, 6)), ((32, 40), (3, 4, 5, 6), (3,), (4, 5, 6)),
          ((64, 72), (3, 4, 5, 6), (3,), (4, 5, 6)), ((112, 120, 128), tuple(range(3, 10)), (3,), (4, 5, 6)),
          ((160, 168, 176, 184), tuple(range(3, 9)), (3,), (6,)), ((208, 216, 224), (3, 4, 5, 6), (3,), (6,)))
FIRST, LAST = (16, 24), (1792, 1984)
RESOLUTIONS = (192, 224, 256, 288)


def end(entry, resolution):
    """The smallest network (entry 0) or the largest (-1)."""
    pick = lambda field: [stage[field][entry] for stage in STAGES]
    return {"resolution": resolution, "width": [FIRST[entry], *pick(0), LAST[entry]], "depth": pick(1),
            "kernel_size": pick(2), "expand_ratio": pick(3)}


NAMED = {"smallest": end(0, RESOLUTIONS[0]), "largest": end(-1, RESOLUTIONS[-1]),
         "t3": {"resolution": 256, "width": [24, 16, 24, 40, 64, 120, 184, 216, 1792], "depth": [1, 3, 4, 3, 6, 6, 6],
                "kernel_size": [5, 3, 3, 3, 3, 3, 3], "expand_ratio": [1, 5, 4, 5, 4, 6, 6]}}


def parse(text):
    """One of NAMED (t3 is T3 of MathNAS), or JSON."""
    try:
        given = NAMED[text] if text in NAMED else json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"neither {', '.join(NAMED)} nor JSON: {text} ({error})")
    allowed = {"width": (FIRST, *(stage[0] for stage in STAGES), LAST),
               **{field: [stage[i] for stage in STAGES] for i, field in ((1, "depth"), (2, "kernel_size"), (3, "expand_ratio"))}}
    subnet = {"resolution": given.get("resolution") if isinstance(given, dict) else None}
    if subnet["resolution"] not in RESOLUTIONS:
        raise argparse.ArgumentTypeError(f"resolution: expected one of {RESOLUTIONS}: {subnet['resolution']}")
    for field, choices in allowed.items():
        entries = subnet[field] = given.get(field)
        if (not isinstance(entries, list) or len(entries) != len(choices)
                or not all(entry in choice for entry, choice in zip(entries, choices))):
            raise argparse.ArgumentTypeError(f"{field}: expected one each of {choices}: {entries}")
    return subnet
