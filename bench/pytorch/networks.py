"""The models of the benchmarks in PyTorch's eager mode: TiTok as exports bring it along, and its teachers."""
import torch
import torch.nn as nn
import torch.nn.functional as F

import titok
from titok import Quantizer, patches_to_image


class EmaCodebook:
    """Moves the codebook by moving averages instead of a gradient, like nn/quantizers/ema.ts."""

    def __init__(self, quantizer, decay=0.97, revive_below=0.03):
        self.quantizer, self.rest = quantizer, 1 - decay
        codes = len(quantizer.embedding.weight)
        self.uniform, self.threshold = 1 / codes, revive_below / codes
        self.share, self.sum = torch.full((codes, 1), 1 / codes), quantizer.embedding.weight.detach() / codes

    @torch.no_grad()
    def update(self, rows, ids):
        weight = self.quantizer.embedding.weight
        chosen = F.one_hot(ids.flatten(), len(weight)).to(rows.dtype) / len(rows)
        self.share += self.rest * (chosen.sum(0)[:, None] - self.share)
        self.sum += self.rest * (chosen.t() @ rows - self.sum)
        fresh = rows[torch.randint(len(rows), (len(weight),))]
        dead = self.share < self.threshold
        self.sum = torch.where(dead, fresh * self.uniform, self.sum)
        weight.copy_(torch.where(dead, fresh, self.sum / self.share))
        self.share = torch.where(dead, torch.full_like(self.share, self.uniform), self.share)


class TiTok(titok.TiTok):
    def __init__(self, size, latents, codes, code, encoder, decoder, proxy_codes=None, legacy=False, pixel_decoder=None):
        """encoder, decoder: (width, layers, heads, patch)"""
        half = lambda sizes: dict(zip(("width", "layers", "heads", "patchSize"), sizes))
        super().__init__({
            "imageSize": size, "latentTokens": latents, "codebookSize": codes, "tokenSize": code,
            "encoder": half(encoder), "decoder": half(decoder), "legacy": legacy, "l2Norm": True, "commitmentCost": 0.25,
            "head": "pixels" if proxy_codes is None else "proxy", "proxyCodebookSize": proxy_codes,
        })
        if pixel_decoder is not None:
            self.pixel_quantize = nn.ModuleDict({"embedding": nn.Embedding(proxy_codes, pixel_decoder.dim)})
            self.pixel_decoder = pixel_decoder

    def decode(self, z):
        y = super().decode(z)
        if not hasattr(self, "pixel_decoder"):
            return y
        return self.pixel_decoder(soft_latents(y, self.pixel_quantize["embedding"].weight))


class Vae(TiTok):
    """The encoder has the mean and the log variance of each latent; nothing is quantized."""

    def __init__(self, size, latents, code, encoder, decoder):
        super().__init__(size, latents, 1, code, encoder, decoder)
        self.encoder.conv_out = nn.Conv2d(encoder[0], 2 * code, 1)
        del self.quantize


def soft_latents(logits, codebook):
    B, V, h, w = logits.shape
    return (codebook.t() @ logits.reshape(B, V, h * w).softmax(1)).view(B, -1, h, w)


class IdentityBlock(nn.Module):
    """x + conv2(silu(norm2(conv1(silu(norm1(x))))))"""

    def __init__(self, width, groups):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, width, 1e-6), nn.GroupNorm(groups, width, 1e-6)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x):
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class LeanEncoder(nn.Module):
    def __init__(self, stem, blocks, dim):
        super().__init__()
        self.stem = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in zip([3, *stem], stem))
        self.blocks = nn.ModuleList(IdentityBlock(stem[-1], 8) for _ in range(blocks))
        self.norm_out, self.conv_out = nn.GroupNorm(8, stem[-1], 1e-6), nn.Conv2d(stem[-1], dim, 1)
        self.patch_path = nn.Conv2d(3, dim, 2 ** len(stem), 2 ** len(stem))

    def forward(self, images):
        x = images
        for conv in self.stem:
            x = F.silu(conv(x))
        for block in self.blocks:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x))) + self.patch_path(images)


class LeanDecoder(nn.Module):
    def __init__(self, stem, blocks, dim):
        super().__init__()
        self.dim = dim
        widths = [*reversed(stem), 3]
        self.conv_in = nn.Conv2d(dim, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(IdentityBlock(widths[0], 8) for _ in range(blocks))
        self.norm_out = nn.GroupNorm(8, widths[0], 1e-6)
        self.up = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:]))
        self.patch_path = nn.Conv2d(dim, 3 * 4 ** len(stem), 1)

    def forward(self, z):
        x = self.conv_in(z)
        for block in self.blocks:
            x = block(x)
        x = self.norm_out(x)
        for conv in self.up:
            x = conv(F.interpolate(F.silu(x), scale_factor=2))
        return x + patches_to_image(self.patch_path(z))


class ResidualBlock(nn.Module):
    """MaskGIT-VQGAN's block: when the width changes, the shortcut applies to the branch h, not to x."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, inputs, 1e-6), nn.GroupNorm(32, outputs, 1e-6)
        self.conv1, self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(outputs, outputs, 1, bias=False)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.nin_shortcut(h) if hasattr(self, "nin_shortcut") else x)


def residual_blocks(inputs, outputs):
    return nn.ModuleList([ResidualBlock(inputs, outputs), ResidualBlock(outputs, outputs)])


class Level(nn.Module):
    """Two residual blocks, then average pooling, upsampling or nothing."""

    def __init__(self, inputs, outputs, pool=False, upsample=False):
        super().__init__()
        self.block, self.pool = residual_blocks(inputs, outputs), pool
        if upsample:
            self.upsample_conv = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x):
        for block in self.block:
            x = block(x)
        if self.pool:
            return F.avg_pool2d(x, 2)
        return self.upsample_conv(F.interpolate(x, scale_factor=2)) if hasattr(self, "upsample_conv") else x


class VqganEncoder(nn.Module):
    def __init__(self, hidden=128, mult=(1, 1, 2, 2, 4), dim=256):
        super().__init__()
        widths = [m * hidden for m in mult]
        self.conv_in = nn.Conv2d(3, hidden, 3, padding=1, bias=False)
        self.down = nn.ModuleList(Level(i, o, pool=n < len(mult) - 1) for n, (i, o) in enumerate(zip([hidden, *widths], widths)))
        self.mid = residual_blocks(widths[-1], widths[-1])
        self.norm_out, self.conv_out = nn.GroupNorm(32, widths[-1], 1e-6), nn.Conv2d(widths[-1], dim, 1)

    def forward(self, x):
        x = self.conv_in(x)
        for part in [*self.down, *self.mid]:
            x = part(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class VqganDecoder(nn.Module):
    def __init__(self, hidden=128, mult=(1, 1, 2, 2, 4), dim=256):
        super().__init__()
        self.dim = dim
        widths = [m * hidden for m in mult]
        self.conv_in = nn.Conv2d(dim, widths[-1], 3, padding=1)
        self.mid = residual_blocks(widths[-1], widths[-1])
        self.up = nn.ModuleList(Level(i, o, upsample=n > 0) for n, (i, o) in enumerate(zip([*widths[1:], widths[-1]], widths)))
        self.norm_out, self.conv_out = nn.GroupNorm(32, widths[0], 1e-6), nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, z):
        x = self.conv_in(z)
        for part in [*self.mid, *reversed(self.up)]:
            x = part(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Teacher(nn.Module):
    """A 2-D tokenizer: encoder, codebook, decoder."""

    def __init__(self, encoder, decoder, codes):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.quantize = Quantizer({"codebookSize": codes, "tokenSize": decoder.dim, "l2Norm": False, "commitmentCost": 1})

    @torch.no_grad()
    def codes(self, images):
        z = self.encoder(images)
        return self.quantize.nearest(z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])).view(len(images), -1)


SMALL, BASE, LARGE = (512, 8, 8, 16), (768, 12, 12, 16), (1024, 24, 16, 16)


def published(name):
    """The published tokenizers by their presets' names."""
    if name == "ll32vae":
        return Vae(256, 32, 16, LARGE, LARGE)
    size, latents = {"s128": (SMALL, 128), "b64": (BASE, 64), "l32": (LARGE, 32)}[name]
    return TiTok(256, latents, 4096, 12, size, size, 1024, True, VqganDecoder())


def lean_teacher():
    return Teacher(LeanEncoder([24, 96], 2, 16), LeanDecoder([24, 96], 2, 16), 512)


def vqgan():
    return Teacher(VqganEncoder(), VqganDecoder(), 1024)


LAPTOP = ((128, 3, 4, 8), (128, 3, 4, 4))


def laptop(pixel_decoder=None):
    """The preset tiny."""
    return TiTok(32, 16, 512, 12, *LAPTOP, proxy_codes=512, pixel_decoder=pixel_decoder)
