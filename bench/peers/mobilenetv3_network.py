"""Static networks of the once-for-all MobileNetV3 space (spec/search-spaces.md, section 3) in PyTorch, written anew, with
the deterministic weights of section 1.2, and the checks that they are those of the specification.

A network is {"ks": 20 kernels, "e": 20 expansions, "d": 5 depths}; a number in place of a list means the same everywhere.
"""
import argparse
import functools
import json

STAGES = 5
POSITIONS = 4  # stored blocks of a stage
NAMED = {"largest": {"ks": 7, "e": 6, "d": 4}, "middle": {"ks": 5, "e": 4, "d": 3}, "smallest": {"ks": 3, "e": 3, "d": 2}}


def parse_subnet(text):
    """One of NAMED or JSON; the result has lists. Blocks that do not run keep their entries."""
    try:
        given = NAMED[text] if text in NAMED else json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"neither {', '.join(NAMED)} nor JSON: {text} ({error})")
    subnet = {}
    for field, count, allowed in (("ks", STAGES * POSITIONS, (3, 5, 7)), ("e", STAGES * POSITIONS, (3, 4, 6)),
                                  ("d", STAGES, (2, 3, 4))):
        entries = given.get(field)
        entries = [entries] * count if isinstance(entries, int) else entries
        if not isinstance(entries, list) or len(entries) != count or any(v not in allowed for v in entries):
            raise argparse.ArgumentTypeError(f"{field}: expected {count} of {allowed}: {given.get(field)}")
        subnet[field] = entries
    return subnet


def divisible(v, divisor=8):
    new = max(divisor, int(v + divisor / 2) // divisor * divisor)
    return new + divisor if new < 0.9 * v else new


