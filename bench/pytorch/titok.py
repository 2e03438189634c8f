"""TiTok and its teachers in PyTorch's eager mode; parameters have the names of titok/."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def attend(qkv, heads):
    """[batch, tokens, 3 width] -> [batch, tokens, width]"""
    B, T, W = qkv.shape
    q, k, v = qkv.view(B, T, 3, heads, W // 3 // heads).permute(2, 0, 3, 1, 4)
    if hasattr(F, "scaled_dot_product_attention"):
        y = F.scaled_dot_product_attention(q, k, v)
    else:
        y = ((q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5).softmax(-1) @ v
    return y.transpose(1, 2).reshape(B, T, W // 3)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight, self.in_proj_bias = nn.Parameter(torch.empty(3 * width, width)), nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x):
        return self.out_proj(attend(F.linear(x, self.in_proj_weight, self.in_proj_bias), self.heads))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


def token(count, width):
    return nn.Parameter(torch.empty(count, width))


class Half(nn.Module):
    """Base of encoder and decoder: [class | patches | latents] -> ln_pre -> blocks -> some tokens -> ln_post."""

    def __init__(self, grid, latents, width, layers, heads):
        super().__init__()
        self.grid, self.latents = grid, latents
        self.class_embedding, self.positional_embedding = token(1, width), token(grid * grid + 1, width)
        self.latent_token_positional_embedding = token(latents, width)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def run(self, patches, latents, start, count):
        B = patches.shape[0]
        x = torch.cat([self.class_embedding.expand(B, 1, -1), patches], 1) + self.positional_embedding
        x = self.ln_pre(torch.cat([x, latents + self.latent_token_positional_embedding], 1))
        for block in self.transformer:
            x = block(x)
        return self.ln_post(x[:, start : start + count])


class Encoder(Half):
    def __init__(self, size, latents, code, width, layers, heads, patch, legacy):
        super().__init__(size // patch, latents, width, layers, heads)
        self.legacy = legacy
        self.patch_embed, self.conv_out = nn.Conv2d(3, width, patch, patch), nn.Conv2d(width, code, 1)

    def forward(self, images, latent_tokens):
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        x = self.run(patches, latent_tokens.expand(len(images), -1, -1), 1 + self.grid**2, self.latents)
        B, K, W = x.shape
        columns = x.reshape(B, W, K, 1) if self.legacy else x.transpose(1, 2).reshape(B, W, K, 1)
        return self.conv_out(columns).reshape(B, -1, 1, K)


class Decoder(Half):
    def __init__(self, size, latents, code, width, layers, heads, patch, proxy_codes):
        super().__init__(size // patch, latents, width, layers, heads)
        self.mask_token, self.decoder_embed = nn.Parameter(torch.empty(1, 1, width)), nn.Linear(code, width)
        self.pixels = proxy_codes is None
        if self.pixels:
            self.ffn, self.conv_out = nn.Sequential(nn.Conv2d(width, 3 * patch * patch, 1)), nn.Conv2d(3, 3, 3, padding=1)
        else:
            self.ffn = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.Tanh(), nn.Conv2d(2 * width, proxy_codes, 1))

    def forward(self, z):
        B, C, _, K = z.shape
        g = self.grid
        x = self.run(self.mask_token.expand(B, g * g, -1), self.decoder_embed(z.reshape(B, C, K).transpose(1, 2)), 1, g * g)
        y = self.ffn(x.transpose(1, 2).reshape(B, -1, g, g))
        return self.conv_out(patches_to_image(y)) if self.pixels else y


def patches_to_image(x):
    B, channels, h, w = x.shape
    f = int((channels // 3) ** 0.5)
    return x.view(B, f, f, 3, h, w).permute(0, 3, 4, 1, 5, 2).reshape(B, 3, h * f, w * f)


class Quantizer(nn.Module):
    def __init__(self, codes, dim, l2_norm, commitment):
        super().__init__()
        self.l2_norm, self.commitment = l2_norm, commitment
        self.embedding = nn.Embedding(codes, dim)

    def normalize(self, x):
        return F.normalize(x, dim=-1) if self.l2_norm else x

    def nearest(self, rows):
        with torch.no_grad():
            codes = self.normalize(self.embedding.weight)
            return (codes.square().sum(1) - 2 * rows @ codes.t()).argmin(1)

    def lookup(self, ids):
        return self.normalize(F.embedding(ids, self.embedding.weight))

    def forward(self, z):
        """z [batch, dim, h, w] -> quantized, ids [batch, h w], commitment loss, codebook loss, rows"""
        B, C, H, W = z.shape
        rows = self.normalize(z.permute(0, 2, 3, 1).reshape(-1, C))
        ids = self.nearest(rows)
        q = self.lookup(ids)
        commitment, codebook = self.commitment * F.mse_loss(rows, q.detach()), F.mse_loss(q, rows.detach())
        passed = rows + (q - rows).detach()
        return passed.reshape(B, H, W, C).permute(0, 3, 1, 2), ids.view(B, H * W), commitment, codebook, rows


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


class TiTok(nn.Module):
    def __init__(self, size, latents, codes, code, encoder, decoder, proxy_codes=None, legacy=False, pixel_decoder=None):
        """encoder, decoder: (width, layers, heads, patch); without codes it is a VAE"""
        super().__init__()
        self.latent_tokens = token(latents, encoder[0])
        self.encoder = Encoder(size, latents, code if codes else 2 * code, *encoder, legacy)
        self.decoder = Decoder(size, latents, code, *decoder, proxy_codes)
        if codes is not None:
            self.quantize = Quantizer(codes, code, True, 0.25)
        if pixel_decoder is not None:
            self.pixel_quantize = nn.ModuleDict({"embedding": nn.Embedding(proxy_codes, pixel_decoder.dim)})
            self.pixel_decoder = pixel_decoder

    def encode(self, images):
        return self.quantize(self.encoder(images, self.latent_tokens))

    def decode(self, z):
        y = self.decoder(z)
        if not hasattr(self, "pixel_decoder"):
            return y
        return self.pixel_decoder(soft_latents(y, self.pixel_quantize["embedding"].weight))

    def decode_tokens(self, ids):
        """ids [batch, K]"""
        return self.decode(self.quantize.lookup(ids).transpose(1, 2).unsqueeze(2))


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
        self.encoder, self.decoder, self.quantize = encoder, decoder, Quantizer(codes, decoder.dim, False, 1)

    @torch.no_grad()
    def codes(self, images):
        z = self.encoder(images)
        return self.quantize.nearest(z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])).view(len(images), -1)


SMALL, BASE, LARGE = (512, 8, 8, 16), (768, 12, 12, 16), (1024, 24, 16, 16)


def published(name):
    """The published tokenizers by their presets' names."""
    if name == "ll32vae":
        return TiTok(256, 32, None, 16, LARGE, LARGE)
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
