"""Timing of several modes that take turns, so that a slow minute of the machine hits all alike; records and tables.

A step is a function that runs a mode once and returns the instants between its phases, in seconds."""
import contextlib
import gc
import json
import signal
import sys
import time

import numpy as np

PHASES = ("forward_ms", "backward_ms", "update_ms")


def resident_mb(what="VmRSS"):
    """Memory of this process: VmRSS now, VmHWM at most so far."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what + ":")) / 1024


def peak_mb(step):
    """The most memory that this process has while it runs the step once."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # VmHWM begins again from what there is now
    step()
    return resident_mb("VmHWM")


def take_turns(steps, args):
    """The instants of every repetition, by mode."""
    samples = {mode: [] for mode in steps}
    gc.collect()
    gc.disable()
    for _ in range(args.rounds):
        for mode, step in steps.items():
            step()  # bring code and data back into the caches
            turn, start = 0, time.perf_counter()
            while turn * args.rounds < args.repetitions or (time.perf_counter() - start) * args.rounds < args.seconds:
                samples[mode].append(step())
                turn += 1
    gc.enable()
    return samples


def summary(samples, prepare_s):
    times = np.asarray(samples) * 1e3
    whole = times[:, -1] - times[:, 0]
    quartile = lambda v: round(float(np.percentile(v, 25)), 4)
    record = {"min_ms": round(float(whole.min()), 4), "quartile_ms": quartile(whole),
              "median_ms": round(float(np.median(whole)), 4), "repetitions": len(whole), "prepare_s": round(prepare_s, 2)}
    if times.shape[1] == 4:
        record["quartile_phases"] = {p: quartile(times[:, i + 1] - times[:, i]) for i, p in enumerate(PHASES)}
    return record


@contextlib.contextmanager
def at_most(seconds):
    """Raises TimeoutError in what takes longer; again and again, as a compiler may swallow it."""
    def stop(*_):
        raise TimeoutError
    if seconds <= 0:
        stop()
    if seconds == float("inf"):
        yield
        return
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def measure(args, batch, prepare, may_fail, say, warm=None, verdict=None):
    """All of args.modes at one batch size. prepare(mode, batch) makes a step; warm(mode, step, i) is called after its i-th
    untimed run, verdict(step) after the last timed one (None, or what is wrong). A mode for which may_fail(mode) holds is
    reported with its error and left out when it fails, or is not ready args.patience after the first mode was begun."""
    steps, results, prepare_s, before = {}, {}, {}, resident_mb()
    deadline = time.perf_counter() + args.patience
    for mode in args.modes:
        start = time.perf_counter()
        try:
            with at_most(deadline - start if may_fail(mode) else float("inf")):
                step = prepare(mode, batch)
                for i in range(max(args.warmup, 3)):  # in the third what was captured is replayed
                    step()
                    if warm:
                        warm(mode, step, i)
            steps[mode] = step
        except Exception as error:  # a compiler that fails can raise anything; the other modes go on
            if not may_fail(mode):
                raise
            text = str(error).strip().splitlines()
            late = time.perf_counter() >= deadline  # compilers raise errors of their own then
            results[mode] = {"error": "not ready in time" if late else f"{type(error).__name__}: {text[0] if text else ''}"}
            say(f"{mode}: does not work here: {results[mode]['error']}")
        prepare_s[mode] = time.perf_counter() - start
    # Of one mode alone: the network's own memory, without libraries, but with what its compiler left behind.
    alone = len(args.modes) == len(steps) == 1 and getattr(args, "device", "cpu") == "cpu"
    memory = {"peak_mb": round(peak_mb(step) - before, 1)} if alone else {}
    samples = take_turns(steps, args)
    for mode, step in steps.items():
        wrong = verdict(step) if verdict else None
        results[mode] = {"error": wrong} if wrong else {**summary(samples[mode], prepare_s[mode]), **memory}
    good = [m for m in args.modes if "quartile_ms" in results[m]]
    fastest = min(good, key=lambda m: results[m]["quartile_ms"], default=None)
    return {"batch": batch, "modes": {m: results[m] for m in args.modes}, "fastest": fastest}


def speaker(args):
    out = sys.stderr if args.json == "-" else sys.stdout
    return lambda text: print(text, file=out, flush=True)


def report(run, say):
    phases = next((r["quartile_phases"] for r in run["modes"].values() if "quartile_phases" in r), {})
    say(f"batch {run['batch']:<18} {'min ms':>10} {'quartile':>10} {'median':>10} {'reps':>6} {'prepare s':>10}"
        + "".join(f" {p.removesuffix('_ms'):>10}" for p in phases))
    for mode, r in run["modes"].items():
        if "error" in r:
            say(f"  {mode:<22} {r['error']}")
            continue
        say(f"  {mode:<22} {r['min_ms']:>10.3f} {r['quartile_ms']:>10.3f} {r['median_ms']:>10.3f} {r['repetitions']:>6}"
            f" {r['prepare_s']:>10.1f}" + "".join(f" {v:>10.3f}" for v in r.get("quartile_phases", {}).values()))
    say(f"  fastest: {run['fastest']}")


def write(args, record):
    """Writes the record where --json says; exits with an error when no mode worked."""
    if args.json == "-":
        json.dump(record, sys.stdout, indent=1)
        print()
    elif args.json:
        with open(args.json, "w") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
    if any(run["fastest"] is None for run in record["runs"]):
        sys.exit("no mode worked")
