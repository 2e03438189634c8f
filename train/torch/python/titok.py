"""TiTok in PyTorch (1.13 or later) and the losses of its trainings. Parameters have the names of the paper's code.

    model = TiTok(config)                          # 'model' of training.json
    z, ids, commitment, codebook, rows = model.encode(images)   # images [batch, 3, size, size] in 0..1
    output = model.decode(z)                       # pixels, or logits over a teacher's codes
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


def attend(qkv, heads):
    """[batch, tokens, 3 width] -> [batch, tokens, width]"""
    batch, tokens, width = qkv.shape
    q, k, v = qkv.view(batch, tokens, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    if hasattr(F, "scaled_dot_product_attention"):
        y = F.scaled_dot_product_attention(q, k, v)
    else:
        y = ((q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5).softmax(-1) @ v
    return y.transpose(1, 2).reshape(batch, tokens, width // 3)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
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


def rows(count, width):
    return nn.Parameter(torch.zeros(count, width))


class Half(nn.Module):
    """Encoder and decoder: [class | patches | latents] -> ln_pre -> blocks -> some of the tokens -> ln_post."""

    def __init__(self, config, half):
        super().__init__()
        width, heads = config[half]["width"], config[half]["heads"]
        self.grid = config["imageSize"] // config[half]["patchSize"]
        self.class_embedding, self.positional_embedding = rows(1, width), rows(self.grid**2 + 1, width)
        self.latent_token_positional_embedding = rows(config["latentTokens"], width)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.ModuleList(Block(width, heads) for _ in range(config[half]["layers"]))

    def run(self, patches, latents, start, count):
        batch = patches.shape[0]
        x = torch.cat([self.class_embedding.expand(batch, 1, -1), patches], 1) + self.positional_embedding
        x = self.ln_pre(torch.cat([x, latents + self.latent_token_positional_embedding], 1))
        for block in self.transformer:
            x = block(x)
        return self.ln_post(x[:, start : start + count])


class Encoder(Half):
    def __init__(self, config):
        super().__init__(config, "encoder")
        width, patch = config["encoder"]["width"], config["encoder"]["patchSize"]
        self.legacy, self.pixels = config["legacy"], config.get("pixels")
        self.patch_embed = nn.Conv2d(3, width, patch, patch)
        self.conv_out = nn.Conv2d(width, config["tokenSize"], 1)

    def forward(self, images, latent_tokens):
        if self.pixels:
            images = (images - self.pixels["mean"]) / self.pixels["std"]
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        count = len(latent_tokens)
        x = self.run(patches, latent_tokens.expand(len(images), -1, -1), 1 + self.grid**2, count)
        batch, _, width = x.shape
        # legacy: reads the memory of [K, width] as [width, K] without transposing
        columns = x.reshape(batch, width, count, 1) if self.legacy else x.transpose(1, 2).reshape(batch, width, count, 1)
        return self.conv_out(columns).reshape(batch, -1, 1, count)


def patches_to_image(x):
    """[batch, f f 3, G, G] -> [batch, 3, G f, G f]; channels are (row, column, color)"""
    batch, channels, h, w = x.shape
    f = round((channels // 3) ** 0.5)
    return x.view(batch, f, f, 3, h, w).permute(0, 3, 4, 1, 5, 2).reshape(batch, 3, h * f, w * f)


class Decoder(Half):
    def __init__(self, config):
        super().__init__(config, "decoder")
        width, patch = config["decoder"]["width"], config["decoder"]["patchSize"]
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_embed = nn.Linear(config["tokenSize"], width)
        self.pixels = config["head"] == "pixels"
        if self.pixels:
            self.ffn = nn.Sequential(nn.Conv2d(width, 3 * patch * patch, 1))
            self.conv_out = nn.Conv2d(3, 3, 3, padding=1)
        else:
            codes = config["proxyCodebookSize"]
            self.ffn = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.Tanh(), nn.Conv2d(2 * width, codes, 1))

    def forward(self, z):
        batch, dim, _, count = z.shape
        g = self.grid
        latents = self.decoder_embed(z.reshape(batch, dim, count).transpose(1, 2))
        x = self.run(self.mask_token.expand(batch, g * g, -1), latents, 1, g * g)
        y = self.ffn(x.transpose(1, 2).reshape(batch, -1, g, g))
        return self.conv_out(patches_to_image(y)) if self.pixels else y


class Quantizer(nn.Module):
    """Nearest codebook entry for each latent, with straight-through gradients."""

    def __init__(self, config):
        super().__init__()
        self.l2_norm, self.commitment_cost = config["l2Norm"], config["commitmentCost"]
        self.embedding = nn.Embedding(config["codebookSize"], config["tokenSize"])

    def normalize(self, x):
        return F.normalize(x, dim=-1) if self.l2_norm else x

    @torch.no_grad()
    def nearest(self, rows):
        """rows [n, dim] -> ids [n]"""
        codes = self.normalize(self.embedding.weight)
        return (codes.square().sum(1) - 2 * rows @ codes.t()).argmin(1)

    def lookup(self, ids):
        return self.normalize(self.embedding(ids))

    def forward(self, z):
        """z [batch, dim, h, w] -> z_q, ids [batch, h w], commitment loss, codebook loss, normalized rows [batch h w, dim]"""
        batch, dim, h, w = z.shape
        rows = self.normalize(z.permute(0, 2, 3, 1).reshape(-1, dim))
        ids = self.nearest(rows)
        q = self.lookup(ids)
        commitment = self.commitment_cost * F.mse_loss(rows, q.detach())
        codebook = F.mse_loss(q, rows.detach())
        passed = rows + (q - rows).detach()
        return passed.view(batch, h, w, dim).permute(0, 3, 1, 2), ids.view(batch, h * w), commitment, codebook, rows


class TiTok(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.latent_tokens = rows(config["latentTokens"], config["encoder"]["width"])
        self.encoder, self.decoder, self.quantize = Encoder(config), Decoder(config), Quantizer(config)

    def encode(self, images):
        return self.quantize(self.encoder(images, self.latent_tokens))

    def decode(self, z):
        return self.decoder(z)

    def decode_tokens(self, ids):
        """ids [batch, K]"""
        return self.decode(self.quantize.lookup(ids).transpose(1, 2).unsqueeze(2))

    def forward(self, images):
        """images [batch, 3, size, size] in 0..1 -> output, and what `encode` returns after z_q"""
        z, *encoded = self.encode(images)
        return (self.decode(z), *encoded)


def quantizer_loss(settings, commitment, codebook):
    """Averages move the codes by themselves; without them the codebook loss does."""
    return commitment if settings["codebook"] == "average" else commitment + codebook


def warmup_loss(settings, forward, data):
    """Stage 1: the decoder predicts the teacher's codes, data["codes"] [batch, G²]; data["teacher"] [codes, dim]."""
    logits, ids, commitment, codebook, rows = forward
    weights, codes, teacher = settings["weights"], data["codes"].long(), data["teacher"]
    flat = logits.flatten(2)  # [batch, codes, G²]
    terms = {"crossEntropy": F.cross_entropy(flat, codes), "commitment": quantizer_loss(settings, commitment, codebook)}
    loss = terms["crossEntropy"] + weights["quantizer"] * terms["commitment"]
    if weights["embedding"] > 0:
        expected = flat.softmax(1).transpose(1, 2) @ teacher  # [batch, G², dim]
        terms["embedding"] = (expected - teacher[codes]).square().sum(2).mean()
        loss = loss + weights["embedding"] * terms["embedding"]
    return {"loss": loss, **terms}


def single_loss(settings, forward, data):
    """The single stage: pixels, data["images"], edges and the quantizer."""
    output, ids, commitment, codebook, rows = forward
    weights, difference = settings["weights"], output - data["images"]
    terms = {"mse": difference.square().mean(), "commitment": quantizer_loss(settings, commitment, codebook)}
    loss = weights["l2"] * terms["mse"] + weights["quantizer"] * terms["commitment"]
    edges = difference.diff(dim=3).abs().mean() + difference.diff(dim=2).abs().mean()
    return {"loss": loss + weights["l1"] * difference.abs().mean() + weights["gradient"] * edges, **terms}


losses = {"warmup": warmup_loss, "single": single_loss}
