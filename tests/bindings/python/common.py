"""What the tests of the wheel share: where files are, the command line as the other side of comparisons."""

import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

FILES = Path(os.environ["MATHNAS_FILES"])  # of tests/bindings/c/make_files.cc
TABLES = Path(os.environ["MATHNAS_TABLES"])
PROGRAM = os.environ["MATHNAS_PROGRAM"]
EXAMPLES = Path(os.environ["MATHNAS_EXAMPLES"])


def command_line(*arguments):
    """What `mathnas ARGUMENTS --json` prints; 1, the exit status of what cannot be met, is an answer too."""
    done = subprocess.run([PROGRAM, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def write_safetensors(path, **arrays):
    types = {"float32": "F32", "uint8": "U8", "int64": "I64"}
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": types[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in arrays.values()))


def releases_the_gil(call):
    """Whether another thread of Python runs while `call` does. Nothing but a release lets it: switching is turned off, and
    a call that is over before the other thread wakes up is made again."""
    counted, go_on, begun = 0, True, threading.Event()

    def count():
        nonlocal counted
        while go_on:
            counted += 1
            begun.set()
            time.sleep(0)  # hands the lock over

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=count)
    try:
        thread.start()
        begun.wait()
        for _ in range(200):
            before = counted
            call()
            if counted > before:
                return True
        return False
    finally:
        go_on = False
        thread.join()
        sys.setswitchinterval(interval)
