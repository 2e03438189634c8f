"""The diffusion transformer of diffusion/ in PyTorch's eager mode; parameters have the same names."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from titok import attend


def modulation(width, parts):
    return nn.Sequential(nn.SiLU(), nn.Linear(width, parts * width))


def modulate(x, shift, scale):
    return x * (1 + scale) + shift


class Block(nn.Module):
    def __init__(self, width, heads, mlp_width):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, mlp_width), "fc2": nn.Linear(mlp_width, width)})
        self.adaLN_modulation = modulation(width, 6)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c)[:, None].chunk(6, -1)
        mixed = attend(self.attn["qkv"](modulate(self.norm(x), shift1, scale1)), self.heads)
        x = x + gate1 * self.attn["proj"](mixed)
        return x + gate2 * self.mlp["fc2"](F.gelu(self.mlp["fc1"](modulate(self.norm(x), shift2, scale2))))


def time_features(times):
    angles = times[:, None].double() * 10_000 ** (-torch.arange(128, dtype=torch.float64) / 128)
    return torch.cat([angles.cos(), angles.sin()], -1).to(torch.get_default_dtype())


def grid_positions(side, width):
    frequencies = 10_000 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    row, column = torch.meshgrid(*2 * [torch.arange(side, dtype=torch.float64)], indexing="ij")
    angles = [p.reshape(-1, 1) * frequencies for p in (column, row)]
    return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], -1).to(torch.get_default_dtype())


class DiT(nn.Module):
    def __init__(self, channels, grid, patch, classes, width, layers, heads, mlp_width):
        super().__init__()
        self.patch, self.channels = patch, channels
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(channels, width, patch, patch)})
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(classes + 1, width)})
        self.blocks = nn.ModuleList(Block(width, heads, mlp_width) for _ in range(layers))
        self.final_layer = nn.ModuleDict({"linear": nn.Linear(width, patch * patch * channels), "adaLN_modulation": modulation(width, 2)})
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.register_buffer("positions", grid_positions(grid // patch, width), persistent=False)

    def forward(self, x, times, labels):
        B, C, G, _ = x.shape
        c = self.t_embedder["mlp"](time_features(times)) + self.y_embedder["embedding_table"](labels)
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            h = block(h, c)
        shift, scale = self.final_layer["adaLN_modulation"](c)[:, None].chunk(2, -1)
        values = self.final_layer["linear"](modulate(self.norm(h), shift, scale))
        p, n = self.patch, G // self.patch
        return values.view(B, n, n, p, p, C).permute(0, 5, 1, 3, 2, 4).reshape(B, C, G, G)
