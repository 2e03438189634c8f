"""The post-norm generator of maskgit/bert.ts and its sampling loop in PyTorch; parameters have the published names."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from titok import attend


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        square = lambda: nn.Linear(width, width)
        output = lambda inputs: nn.ModuleDict({"dense": nn.Linear(inputs, width), "LayerNorm": nn.LayerNorm(width, 1e-12)})
        self.attention = nn.ModuleDict({
            "self": nn.ModuleDict({"query": square(), "key": square(), "value": square()}),
            "output": output(width),
        })
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, 4 * width)})
        self.output = output(4 * width)

    def forward(self, x):
        parts = self.attention["self"]
        qkv = torch.cat([parts[name](x) for name in ("query", "key", "value")], -1)
        out = self.attention["output"]
        a = out["LayerNorm"](x + out["dense"](attend(qkv, self.heads)))
        return self.output["LayerNorm"](a + self.output["dense"](F.gelu(self.intermediate["dense"](a))))


class ImageBert(nn.Module):
    def __init__(self, codes, tokens, classes, width, layers, heads):
        super().__init__()
        self.codes, self.tokens, self.classes = codes, tokens, classes
        self.model = nn.ModuleDict({
            "embeddings": nn.ModuleDict({
                "word_embeddings": nn.Embedding(codes + 2 + classes, width),
                "position_embeddings": nn.Embedding(tokens + 1, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, 1e-12),
            }),
            "encoder": nn.ModuleDict({"layer": nn.ModuleList(Layer(width, heads) for _ in range(layers))}),
            "lm_head": nn.Linear(width, codes),
        })

    def forward(self, sequence):
        e = self.model["embeddings"]
        x = e["word_embeddings"](sequence) + e["position_embeddings"].weight + e["token_type_embeddings"].weight[0]
        x = e["LayerNorm"](x)
        for layer in self.model["encoder"]["layer"]:
            x = layer(x)
        return self.model["lm_head"](x[:, 1:])


def gumbel(shape):
    return -torch.log((-torch.log(torch.rand(shape).clamp_min(1e-20))).clamp_min(1e-20))


@torch.no_grad()
def sample(model, labels, steps=8, scale=3.0, temperature=3.0):
    """The sampling loop of maskgit/sampler.ts: linear guidance, annealed logits, the most confident tokens stay."""
    batch, K, mask = len(labels), model.tokens, model.codes
    ids = torch.full((batch, K), mask)
    classes = mask + 1 + torch.stack([labels, torch.full_like(labels, model.classes)], 0)  # with and without the class
    for step in range(steps):
        rest = 1 - (step + 1) / steps
        factor = scale * step / steps
        if factor == 0:
            logits = model(torch.cat([classes[0][:, None], ids], 1))
        else:
            both = model(torch.cat([classes.reshape(-1, 1), ids.repeat(2, 1)], 1))
            c, u = both.chunk(2)
            logits = c + factor * (c - u)
        logits = logits / (0.5 + 0.8 * rest)
        tau = temperature * rest
        noisy = logits + tau * gumbel(logits.shape) if tau > 0 else logits
        masked = ids == mask
        chosen = torch.where(masked, noisy.argmax(-1), ids)
        confidence = logits.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).masked_fill(~masked, math.inf)
        if tau > 0:
            confidence = confidence + tau * gumbel(confidence.shape)
        remaining = int(masked[0].sum())
        count = math.floor(K * math.acos((step + 1) / steps) / (math.pi / 2))
        count = 0 if step + 1 == steps else max(1, min(remaining - 1, count))
        if count > 0:
            cutoff = confidence.sort(-1).values[:, count - 1 : count]
            chosen = torch.where(confidence <= cutoff, torch.full_like(chosen, mask), chosen)
        ids = chosen
    return ids
