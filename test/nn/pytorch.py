"""Reference values of PyTorch 1.13 in float64: python3 test/nn/pytorch.py > test/nn/pytorch.json; npm run format"""
import json
import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def plain(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.8g}") for v in t.detach().flatten().tolist()]}


def state(module):
    return {name: plain(p) for name, p in module.state_dict().items()}


def optimizer(name, options):
    """Two parameters after four steps, from the same start and with the same gradients for every optimizer."""
    params = [nn.Parameter(start[key].clone()) for key in start]
    torch_optimizer = getattr(torch.optim, name)(params, **options)
    for step in gradients:
        for p, g in zip(params, step.values()):
            p.grad = g.clone()
        torch_optimizer.step()
    return {"name": name, "options": options, "after": {key: plain(p) for key, p in zip(start, params)}}


start = {"weight": torch.randn(2, 2), "bias": torch.randn(3)}
gradients = [{key: torch.randn_like(p) for key, p in start.items()} for _ in range(4)]
adam = {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-6}
sgd = {"lr": 0.05}
optimizers = [
    optimizer("Adam", adam),
    optimizer("Adam", {**adam, "weight_decay": 0.3}),
    optimizer("AdamW", {**adam, "weight_decay": 0}),
    optimizer("AdamW", {**adam, "weight_decay": 0.3}),
    optimizer("SGD", sgd),
    optimizer("SGD", {**sgd, "weight_decay": 0.3}),
    optimizer("SGD", {**sgd, "momentum": 0.8}),
    optimizer("SGD", {**sgd, "momentum": 0.8, "weight_decay": 0.3}),
    optimizer("SGD", {**sgd, "momentum": 0.8, "weight_decay": 0.3, "nesterov": True}),
]

attention = nn.MultiheadAttention(4, 2, batch_first=True)
nn.init.normal_(attention.in_proj_bias)
x, others = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 5, 4, requires_grad=True)
pull = torch.randn(2, 3, 4)
allowed = {"self": torch.ones(3, 3).tril().bool(), "cross": torch.rand(3, 5) > 0.4}
allowed["cross"][:, 0] = True


def attend(source, mask):
    wrt = {"x": x, **({"keyValue": others} if source is others else {}), **dict(attention.named_parameters())}
    y, _ = attention(x, source, source, attn_mask=None if mask is None else ~mask, need_weights=False)
    grads = torch.autograd.grad((y * pull).sum(), list(wrt.values()))
    return {"y": plain(y), "gradients": {name: plain(g) for name, g in zip(wrt, grads)}}


transposed = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2)
picture = torch.randn(1, 4, 3, 2)

print(json.dumps({
    "start": {key: plain(p) for key, p in start.items()},
    "gradients": [{key: plain(g) for key, g in step.items()} for step in gradients],
    "optimizers": optimizers,
    "attention": {
        "state": state(attention),
        "x": plain(x),
        "keyValue": plain(others),
        "pull": plain(pull),
        "masks": {name: plain(mask.double()) for name, mask in allowed.items()},
        "self": attend(x, None),
        "self, mask": attend(x, allowed["self"]),
        "cross": attend(others, None),
        "cross, mask": attend(others, allowed["cross"]),
    },
    "convTranspose2d": {"state": state(transposed), "x": plain(picture), "y": plain(transposed(picture))},
    "sequential": list(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).state_dict()),
}))
