"""The PyTorch end of a benchmark. bench/side.ts is the other end; bench/serve.ts does the same for our own workloads.

    python3 SCRIPT CASE [--blas-threads 1] [--omp-threads 1]     requests on stdin, answers on stdout, a line of JSON each
    python3 SCRIPT CASE --profile                                prints the slowest ops of one run instead

Thread counts are set before torch is imported: OpenBLAS has a thread pool of its own beside OpenMP's, so
torch.set_num_threads alone leaves matrix products on all cores or makes the two pools compete. MKL_NUM_THREADS is not
set: torch would use it for OpenMP too, which was half as fast on two threads.
"""
import argparse, json, math, os, resource, sys, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("case")
parser.add_argument("--blas-threads", type=int, default=1)
parser.add_argument("--omp-threads", type=int, default=1)
parser.add_argument("--profile", action="store_true")
args = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = str(args.blas_threads)
os.environ["OMP_NUM_THREADS"] = str(args.omp_threads)

import numpy as np
import torch

sys.path.append(os.path.join(os.path.dirname(__file__), "../../train/torch/python"))  # titok.py

torch.manual_seed(0)


def serve(cases):
    """Runs one of the cases: functions that return a dict of `run`, `check` (results that both sides must agree on) and,
    for models, `parameters` (their number)."""
    say = lambda **answer: print(json.dumps(answer), flush=True)
    hello = {"name": "torch", "version": torch.__version__, "blas": blas()}
    if hello["blas"] == "reference" and not args.profile:
        say(**hello, check=[], parameters=0)  # nobody compares with it; making the case alone takes long
        return
    case = cases[args.case]()
    if args.profile:
        for row in profile(case["run"]):
            say(**row)
        return
    say(**hello, check=numbers(case["check"]), parameters=case.get("parameters", 0))
    for line in sys.stdin:
        request = json.loads(line)
        if "sliceMs" in request:
            say(ms=timed(case["run"], request["sliceMs"]))
        elif "profile" in request:
            say(ops=profile(case["run"]))
        else:
            say(peakRssMiB=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def timed(run, slice_ms):
    """Milliseconds of each call, for about slice_ms. The first call counts only when calls are long. Same rule in serve.ts."""
    start = time.perf_counter()
    run()
    first = 1e3 * (time.perf_counter() - start)
    samples = [first] if first > slice_ms / 4 else []
    while not samples or 1e3 * (time.perf_counter() - start) < slice_ms:
        before = time.perf_counter()
        run()
        samples.append(1e3 * (time.perf_counter() - before))
    return samples


def profile(run):
    """The 16 slowest ops of one call."""
    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as p:
        run()
    rows = [{"op": e.key, "ms": e.self_cpu_time_total / 1e3, "calls": e.count} for e in p.key_averages()]
    return sorted(rows, key=lambda row: -row["ms"])[:16]


def blas():
    """The library that multiplies matrices. Debian's torch uses the system's libblas.so.3; the reference one is 20 times slower."""
    a = torch.ones(64, 64)
    a @ a
    if not os.path.exists("/proc/self/maps"):
        return "unknown"
    with open("/proc/self/maps") as maps:
        text = maps.read().lower()
    return next((name for name in ("openblas", "mkl_", "blis", "atlas") if name in text), "libtorch" if "libtorch_cpu" in text and "libblas.so" not in text else "reference")


def numbers(check):
    """Every number of a short list; some 256 evenly spaced numbers of a long one or a tensor."""
    flat = torch.as_tensor(check, dtype=torch.float64).detach().flatten()
    return flat[:: max(1, len(flat) // 256)].tolist()


def values(name, shape):
    """The weights and inputs of bench/values.ts: they depend on the name and the index only."""
    h = 0x811C9DC5
    for c in name.encode():
        h = ((h ^ c) * 0x01000193) & 0xFFFFFFFF
    x = np.arange(math.prod(shape), dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(h)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    u = (x ^ (x >> np.uint32(16))) / 2**32 - 0.5
    if len(shape) > 1:
        u = u * math.sqrt(12 / math.prod(shape[1:]))
    else:
        u = 0.2 * u + (1 if name.endswith("weight") else 0)
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def filled(model, prefix=""):
    """Sets all weights of a model to `values` of their names, and returns the model."""
    with torch.no_grad():
        for name, p in model.state_dict().items():
            p.copy_(values(prefix + name, tuple(p.shape)))
    return model


def images(batch, size):
    """[batch, 3, size, size] in 0..1"""
    return (values("images", (batch * 3 * size * size,)) * 5 + 0.5).reshape(batch, 3, size, size)


def count(*models):
    return sum(p.numel() for model in models for p in model.state_dict().values())
