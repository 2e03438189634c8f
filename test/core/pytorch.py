"""Elementwise functions of PyTorch 1.13 and their gradients at special values, in float32:

python3 test/core/pytorch.py > test/core/pytorch.json; npm run format
"""
import json
import torch
import torch.nn.functional as F

points = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, float("inf"), float("-inf"), float("nan"), 1e-40, -1e-40, 1e10, -1e10]


def text(t):
    return " ".join(f"{v:.8g}" for v in t.tolist())


def row(f, *columns):
    """y and the gradient of its sum by each argument, a number for each place of the columns."""
    xs = [torch.tensor(column, requires_grad=True) for column in columns]
    y = f(*xs)
    gradients = torch.autograd.grad(y.sum(), xs) if y.requires_grad else [torch.zeros_like(x) for x in xs]
    return {"y": text(y.detach()), "gradients": [text(g) for g in gradients]}


def compare(f):
    return lambda *xs: f(*xs).float()


unary = {
    "neg": torch.neg, "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "abs": torch.abs,
    "square": torch.square, "sin": torch.sin, "cos": torch.cos, "acos": torch.acos, "floor": torch.floor,
    "round": torch.round, "sign": torch.sign, "tanh": torch.tanh, "erf": torch.erf, "sigmoid": torch.sigmoid,
    "relu": F.relu, "silu": F.silu, "gelu": F.gelu, "geluTanh": lambda x: F.gelu(x, approximate="tanh"),
    "leakyRelu 0.1": lambda x: F.leaky_relu(x, 0.1), "clamp -1 1": lambda x: torch.clamp(x, -1, 1),
    "pow 0": lambda x: x**0, "pow 1": lambda x: x**1, "pow 2": lambda x: x**2, "pow 3": lambda x: x**3,
    "pow -1": lambda x: x**-1,
}
binary = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow, "maximum": torch.maximum,
    "minimum": torch.minimum, "less": compare(torch.lt), "lessEqual": compare(torch.le), "equal": compare(torch.eq),
    "where": lambda a, b: torch.where(a.bool(), a, b),
}
# Where this library's values are meant to be others: place, quantity, value (on some devices, if PyTorch's is right too).
deviations = [
    {
        "row": "gelu",
        "at": ["inf", "-inf"],
        "of": "gradient 0",
        "ours": [1, 0],
        "why": "The limits, 1 and 0; PyTorch's formula has infinity times 0. A NaN would cost the cpu kernel 5 %.",
    },
    {
        "row": "pow",
        "at": ["-1 1e+10", "-1 -1e+10"],
        "of": "gradient 0",
        "ours": [-1e10, 1e10],
        "sometimes": True,
        "why": "e x^(e - 1): reference and cpu take e - 1 in float64, where it is odd. In float32 it is e, an even number.",
    },
]
left, right = zip(*[(a, b) for a in points for b in points])

print(json.dumps({
    "deviations": deviations,
    "points": " ".join(f"{v:.8g}" for v in points),
    "unary": {name: row(f, points) for name, f in unary.items()},
    "binary": {name: row(f, left, right) for name, f in binary.items()},
}))
