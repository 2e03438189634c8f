"""The same as bench/workloads/ops.ts: memory-bound ops at the sizes of the training step s1."""
from serve import serve, torch, values
import torch.nn.functional as F

ROWS, WIDTH, PARAMETERS = 3104, 192, 5_300_000
normal = lambda name, *shape: (values(name, (torch.Size(shape).numel(),)) * 10).view(shape).requires_grad_()


def forward(f, *shapes):
    def build():
        xs = [normal(f"x{i}", *shape) for i, shape in enumerate(shapes)]
        run = torch.no_grad()(lambda: f(*xs))
        return {"run": run, "check": run()}

    return build


def backward(f, *shapes):
    """The backward pass only; the forward pass was recorded before."""

    def build():
        xs = [normal(f"x{i}", *shape) for i, shape in enumerate(shapes)]
        y = f(*xs)
        seed = y.detach().clone()
        run = lambda: torch.autograd.grad(y, xs, seed, retain_graph=True)
        return {"run": run, "check": run()[0]}

    return build


def adamw():
    p = torch.nn.Parameter(normal("p", PARAMETERS).detach())
    p.grad = normal("g", PARAMETERS).detach()
    optimizer = torch.optim.AdamW([p], lr=1e-4, weight_decay=0.01)
    optimizer.step()
    return {"run": optimizer.step, "check": p}


scores, rows, wide = [(96 * 97, 97)], [(ROWS, WIDTH), (WIDTH,), (WIDTH,)], [(ROWS, 4 * WIDTH)]
softmax = lambda x: x.softmax(-1)
layer_norm = lambda x, gain, bias: F.layer_norm(x, (WIDTH,), gain, bias)
serve({
    "softmax forward": forward(softmax, *scores),
    "softmax backward": backward(softmax, *scores),
    "layerNorm forward": forward(layer_norm, *rows),
    "layerNorm backward": backward(layer_norm, *rows),
    "gelu forward": forward(F.gelu, *wide),
    "gelu backward": backward(F.gelu, *wide),
    "adamw": adamw,
})
