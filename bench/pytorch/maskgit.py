"""The generators of maskgit/bert.ts and maskgit/uvit.ts and their sampling loop in PyTorch; parameters have the published names."""
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


class UViTBlock(nn.Module):
    def __init__(self, width, heads, skip):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width, bias=False), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        if skip:
            self.skip_linear = nn.Linear(2 * width, width)

    def forward(self, x, skip=None):
        if skip is not None:
            x = self.skip_linear(torch.cat([x, skip], -1))
        x = x + self.attn["proj"](attend(self.attn["qkv"](self.norm1(x)), self.heads))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class UViT(nn.Module):
    def __init__(self, codes, tokens, classes, width, layers, heads):
        super().__init__()
        self.codes, self.tokens, self.classes = codes, tokens, classes
        self.pos_embed = nn.Parameter(torch.empty(1, tokens + 1, width))
        self.embeddings = nn.Embedding(codes + 2 + classes, width)
        self.in_blocks = nn.ModuleList(UViTBlock(width, heads, False) for _ in range(layers // 2))
        self.mid_block = UViTBlock(width, heads, False)
        self.out_blocks = nn.ModuleList(UViTBlock(width, heads, True) for _ in range(layers // 2))
        self.norm, self.lm_head = nn.LayerNorm(width), nn.Linear(width, codes)

    def forward(self, sequence):
        x = self.embeddings(sequence) + self.pos_embed
        skips = []
        for block in self.in_blocks:
            x = block(x)
            skips.append(x)
        x = self.mid_block(x)
        for block in self.out_blocks:
            x = block(x, skips.pop())
        return self.lm_head(self.norm(x)[:, 1:])


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
