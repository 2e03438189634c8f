"""The same as bench/workloads/block.ts: a transformer block, [8, 97, 192], three heads, and a matrix product of 512 x 512 x 512."""
from serve import count, filled, serve, torch, values
import torch.nn.functional as F
import titok

signals = lambda name, *shape: (values(name, (torch.Size(shape).numel(),)) * 10).view(shape)
shape = (8, 97, 192)


def training():
    block, x, target = filled(titok.Block(192, 3)), signals("x", *shape), signals("target", *shape)
    optimizer = torch.optim.AdamW(block.parameters(), lr=1e-3, weight_decay=0)

    def run():
        loss = F.mse_loss(block(x), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return {"run": run, "check": [run(), run()], "parameters": count(block)}


def forward():
    block, x = filled(titok.Block(192, 3)).eval(), signals("x", *shape)
    run = torch.no_grad()(lambda: block(x))
    return {"run": run, "check": run(), "parameters": count(block)}


def matmul():
    a, b = signals("a", 512, 512), signals("b", 512, 512)
    return {"run": lambda: a @ b, "check": a @ b}


serve({"training": training, "forward": forward, "matmul": matmul})
