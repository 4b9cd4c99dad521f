"""The environment that a peer runs in, and what a record says about the machine."""
import os
import platform
from pathlib import Path

BUILD = Path(__file__).resolve().parents[3] / "build/peers"


def set_environment(threads):
    """Before any library is loaded: the thread count, for every one that has its own idea of it."""
    for name in [n for n in os.environ if n.startswith("OPENBLAS_")]:
        del os.environ[name]
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    # Inductor writes the thread count into the code that it generates, so caches are kept apart by it.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(BUILD / f"inductor-{threads}"))


def describe_machine():
    model = "unknown"
    try:
        with open("/proc/cpuinfo") as file:
            model = next((l.split(":", 1)[1].strip() for l in file if l.startswith("model name")), model)
    except OSError:
        pass
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(),
            "environment": {k: v for k, v in sorted(os.environ.items())
                            if k.startswith(("OMP_", "GOMP_", "KMP_", "MKL_NUM", "DNNL_", "ONEDNN_"))}}
