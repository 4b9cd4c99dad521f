"""Networks of the once-for-all MobileNetV3 space as data (spec/search-spaces.md 3.1): {"ks": 20 kernels, "e": 20
expansions, "d": 5 depths}; a number in place of a list means the same everywhere. Loads no library."""
import argparse
import json

STAGES = 5
POSITIONS = 4  # stored blocks of a stage
NAMED = {"largest": {"ks": 7, "e": 6, "d": 4}, "middle": {"ks": 5, "e": 4, "d": 3}, "smallest": {"ks": 3, "e": 3, "d": 2}}
FIELDS = (("ks", STAGES * POSITIONS, (3, 5, 7)), ("e", STAGES * POSITIONS, (3, 4, 6)), ("d", STAGES, (2, 3, 4)))


def parse(text):
    """One of NAMED, or JSON. Further fields (a resolution) do not count; all entries are written out in the result."""
    try:
        given = NAMED[text] if text in NAMED else json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"neither {', '.join(NAMED)} nor JSON: {text} ({error})")
    subnet = {}
    for field, count, allowed in FIELDS:
        entries = given.get(field) if isinstance(given, dict) else None
        subnet[field] = [entries] * count if isinstance(entries, int) else entries
        if not isinstance(subnet[field], list) or len(subnet[field]) != count or not set(subnet[field]) <= set(allowed):
            raise argparse.ArgumentTypeError(f"{field}: expected one or {count} of {allowed}: {entries}")
    return subnet
