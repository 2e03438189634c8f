"""The ops of bench/ops.ts in PyTorch on the CPU, one line of JSON each.

    python3 torch_ops.py [--blas-threads 2] [--omp-threads 1] [--json]

OpenMP threads default to the BLAS threads here: these ops run on OpenMP alone, so the pools do not compete.
"""
import argparse, json, os, time

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
args.add_argument("--blas-threads", type=int, default=1)
args.add_argument("--omp-threads", type=int, default=1)
args.add_argument("--json", action="store_true")
args = args.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = str(args.blas_threads)
os.environ["OMP_NUM_THREADS"] = str(max(args.blas_threads, args.omp_threads))

import torch
import torch.nn.functional as F

torch.manual_seed(0)
ROWS, WIDTH = 3104, 192
x = torch.randn(ROWS, WIDTH, requires_grad=True)
wide = torch.randn(ROWS, 4 * WIDTH, requires_grad=True)
scores = torch.randn(96 * 97, 97, requires_grad=True)
gain, bias = torch.rand(WIDTH, requires_grad=True), torch.rand(WIDTH, requires_grad=True)
weight = torch.nn.Parameter(torch.randn(5_300_000))
weight.grad = torch.randn(5_300_000)
adamw = torch.optim.AdamW([weight], lr=1e-4, weight_decay=0.01)


def forward(f):
    def run():
        with torch.no_grad():
            f()
    return run


def backward(f, wrt):
    y = f()
    seed = y.detach().clone()
    return lambda: torch.autograd.grad(y, wrt, seed, retain_graph=True)


cases = {
    "softmax forward": forward(lambda: scores.softmax(-1)),
    "softmax backward": backward(lambda: scores.softmax(-1), [scores]),
    "layerNorm forward": forward(lambda: F.layer_norm(x, (WIDTH,), gain, bias)),
    "layerNorm backward": backward(lambda: F.layer_norm(x, (WIDTH,), gain, bias), [x, gain, bias]),
    "gelu forward": forward(lambda: F.gelu(wide)),
    "gelu backward": backward(lambda: F.gelu(wide), [wide]),
    "adamw": adamw.step,
}
for name, call in cases.items():
    for _ in range(5):
        call()
    times = []
    for _ in range(30):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"op": name, "ms": sorted(times)[15]}))
