"""The same as bench/workloads/step.ts: s1 is trained from pixels at width 192; tiny is preset tiny's warm-up; dit is a diffusion transformer."""
from serve import filled, images, serve, torch, values
import torch.nn.functional as F
import networks
from dit import DiT
from training import stepper


def s1():
    half = (192, 6, 3, 4)
    model = filled(networks.TiTok(32, 32, 1024, 12, half, half))
    pictures = images(32, 32)

    def loss():
        z, _, commitment, codebook, _ = model.encode(pictures)
        return F.mse_loss(model.decode(z), pictures) + commitment + codebook

    return stepper(model, loss, [{"params": [*model.parameters()]}], lr=1e-3, weight_decay=1e-4)


NOT_DECAYED = ("ln", "bias", "latent_tokens", "mask_token", "embedding", "norm", "gamma", "embed")


def tiny():
    teacher = filled(networks.lean_teacher(), "teacher.")
    model = filled(networks.laptop())
    pictures = images(16, 32)
    average = networks.EmaCodebook(model.quantize)
    named = [(name, p) for name, p in model.named_parameters() if not name.startswith("quantize.")]
    decays = lambda name, p: p.ndim >= 2 and not any(part in name for part in NOT_DECAYED)
    groups = [
        {"params": [p for name, p in named if decays(name, p)], "weight_decay": 1e-4},
        {"params": [p for name, p in named if not decays(name, p)], "weight_decay": 0},
    ]
    seen = {}

    def loss():
        codes = teacher.codes(pictures)
        z, ids, commitment, _, rows = model.encode(pictures)
        seen.update(rows=rows.detach(), ids=ids)
        logits = model.decode(z)
        right = F.embedding(codes, teacher.quantize.embedding.weight).transpose(1, 2)
        expected = networks.soft_latents(logits, teacher.quantize.embedding.weight.detach()).flatten(2)
        near = (expected - right.detach()).square().sum(1).mean()
        return F.cross_entropy(logits.flatten(2), codes) + commitment + 2 * near

    return stepper(model, loss, groups, after=lambda: average.update(**seen), lr=1e-3, betas=(0.9, 0.99))


def dit():
    model = filled(DiT(16, 8, 1, 8, 160, 4, 4, 640))
    shape = (32, 16, 8, 8)
    latents, noise = ((values(name, (32 * 1024,)) * 10).view(shape) for name in ("latents", "noise"))
    times = 31 * torch.arange(32)
    labels = torch.arange(32) % 9
    alpha_bars = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)[times].float().view(-1, 1, 1, 1)

    def loss():
        noisy = alpha_bars.sqrt() * latents + (1 - alpha_bars).sqrt() * noise
        return F.mse_loss(model(noisy, times, labels), noise)

    return stepper(model, loss, [{"params": [*model.parameters()]}], lr=1e-3, weight_decay=0)


serve({"s1": s1, "tiny": tiny, "dit": dit})
