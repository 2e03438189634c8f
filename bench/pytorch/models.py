"""The same as bench/workloads/models.ts: s128 encodes and decodes one 256 x 256 image; lean and vqgan are training steps of teachers."""
from serve import count, filled, images, serve, torch
import torch.nn.functional as F
import titok
from training import stepper


def s128():
    small = (512, 8, 8, 16)
    model = filled(titok.TiTok(256, 128, 4096, 12, small, small, 1024, True, titok.VqganDecoder())).eval()
    picture = images(1, 256)

    @torch.no_grad()
    def run():
        _, ids, *_ = model.encode(picture)
        return model.decode_tokens(ids)

    return {"run": run, "check": run(), "parameters": count(model)}


def teacher(model, batch, size, quantizer_loss, average=None):
    pictures = images(batch, size)
    named = [p for name, p in model.named_parameters() if average is None or not name.startswith("quantize.")]
    seen = {}

    def loss():
        z, ids, commitment, codebook, rows = model.quantize(model.encoder(pictures))
        seen.update(rows=rows.detach(), ids=ids)
        d = pictures - model.decoder(z)
        edges = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
        return 4 * d.square().mean() + d.abs().mean() + 0.25 * edges + quantizer_loss(commitment, codebook)

    after = (lambda: average.update(**seen)) if average else (lambda: None)
    return stepper(model, loss, [{"params": named}], after, lr=1e-3, betas=(0.9, 0.99), weight_decay=0)


def lean():
    model = filled(titok.lean_teacher())
    return teacher(model, 16, 32, lambda commitment, _: commitment, titok.EmaCodebook(model.quantize))


def vqgan():
    return teacher(filled(titok.vqgan()), 1, 64, lambda commitment, codebook: commitment + 0.25 * codebook)


serve({"s128": s128, "lean": lean, "vqgan": vqgan})
