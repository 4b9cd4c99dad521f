"""Command lines of the peers. Loads no library: threads are set after this and before they load."""
import os

TORCH_TRAIN_MODES = ("contiguous", "channels_last", "contiguous_compile", "channels_last_compile")
# Of a GPU, after the eager ones; what takes long to make comes last, so that --patience loses the least.
GPU_WAYS = ("captured", "graphs", "compile")
TORCH_INFERENCE_MODES = ("contiguous", "channels_last", "contiguous_jit", "channels_last_jit",
                         "contiguous_compile", "channels_last_compile")


def add_timing(p):
    p.add_argument("--warmup", type=int, default=3, help="untimed repetitions of every mode, at least 3 (3)")
    p.add_argument("--repetitions", type=int, default=15, help="at least so many timed ones per mode (15)")
    p.add_argument("--seconds", type=float, default=3.0, help="and for at least so long per mode (3)")
    p.add_argument("--rounds", type=int, default=3, help="turns in which the modes are timed (3)")
    p.add_argument("--patience", type=float, metavar="SECONDS", default=float("inf"),
                   help="after so long no further mode is made that compiles or captures, and one in the making is given up (never)")
    p.add_argument("--json", metavar="FILE", help="write a record; '-' is standard output, with the table on standard error")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--modes", help="comma-separated subset of the modes (all)")
    p.add_argument("--skip", metavar="WORD", help="leave out modes with this in their names, e.g. compile")
    p.add_argument("--check-only", action="store_true")


def add_outputs(p):
    p.add_argument("--outputs", action="store_true",
                   help="print the logits of the network with the deterministic weights for the deterministic input, as JSON; "
                        "nothing is timed")


def add_precision(p):
    p.add_argument("--precision", choices=("float32", "bfloat16"), default="float32",
                   help="of a training step: float32, or autocast to bfloat16 (float32)")


def add_device(p):
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what PyTorch computes on (cpu)")


def take_modes(p, args, known):
    """Makes args.modes a tuple, and checks it and the counts."""
    if getattr(args, "device", "cpu") == "cuda":
        formats = ("contiguous_", "channels_last_") if known[0] == "contiguous" else ("",)
        known = (*(m for m in known if not m.endswith(("jit", "compile"))), *(f + way for way in GPU_WAYS for f in formats))
        if getattr(args, "decode", False):
            p.error("--decode: on the CPU alone")
    args.modes = (tuple(args.modes.split(",")) if args.modes
                  else tuple(mode for mode in known if not args.skip or args.skip not in mode))
    for mode in args.modes:
        if mode not in known:
            p.error(f"unknown mode '{mode}'; there are {', '.join(known)}")
    for name in ("threads", "repetitions", "rounds"):
        if getattr(args, name) < 1:
            p.error(f"--{name} must be positive")
    if min(args.batch) < 1:
        p.error("--batch must be positive")
    if getattr(args, "precision", "float32") != "float32" and (args.inference or getattr(args, "decode", False)):
        p.error("--precision: only a training step has another than float32")
