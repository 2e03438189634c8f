"""A block and a small model of bench/pytorch/dit.py in float64, with their gradients, as JSON on stdout."""
import json
import os
import sys

import torch

for folder in ("bench/pytorch", "train/torch/python"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../..", folder))
from dit import Block, DiT

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def plain(t):
    return {"shape": list(t.shape), "data": t.detach().flatten().tolist()}


def case(module, inputs, *more):
    """The output, and the gradients of sum(pull * output), at random weights."""
    for p in module.parameters():
        torch.nn.init.normal_(p, std=0.3)
    wrt = {**dict(module.named_parameters()), **inputs}
    y = module(*inputs.values(), *more)
    pull = torch.randn_like(y)
    grads = torch.autograd.grad((pull * y).sum(), list(wrt.values()))
    return {
        "state": {name: plain(p) for name, p in module.state_dict().items()},
        "inputs": {name: plain(x) for name, x in inputs.items()},
        "y": plain(y),
        "pull": plain(pull),
        "gradients": {name: plain(g) for name, g in zip(wrt, grads)},
    }


normal = lambda *shape: torch.randn(*shape, requires_grad=True)
print(json.dumps({
    "block": case(Block(16, 2, 24), {"x": normal(3, 5, 16), "c": normal(3, 16)}),
    "dit": case(DiT(3, 4, 2, 5, 16, 2, 2, 24), {"x": normal(2, 3, 4, 4)}, torch.tensor([0, 731]), torch.tensor([5, 2])),
}))
