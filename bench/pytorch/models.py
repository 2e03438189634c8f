"""The same as bench/workloads/models.ts: tokenizers encode and decode one 256 x 256 image, generators draw one; lean and vqgan are training steps of teachers."""
from serve import count, filled, images, serve, torch
import torch.nn.functional as F
import networks
from maskgit import ImageBert, UViT, sample
from training import stepper


def reconstruction(name):
    def build():
        model = filled(networks.published(name)).eval()
        picture = images(1, 256)

        @torch.no_grad()
        def run():
            if name == "ll32vae":
                return model.decode(model.encoder(picture, model.latent_tokens).chunk(2, 1)[0])
            _, ids, *_ = model.encode(picture)
            return model.decode_tokens(ids)

        return {"run": run, "check": run(), "parameters": count(model)}

    return build


def sampling(name):
    def build():
        model = ImageBert(4096, 64, 1000, 768, 24, 16) if name == "b64" else UViT(4096, 128, 1000, 1024, 20, 16)
        generator, tokenizer = filled(model, "generator.").eval(), filled(networks.published(name)).eval()
        label = torch.tensor([7])
        some = torch.tensor([31 * i if i % 2 == 0 else 4096 for i in range(model.tokens)])

        @torch.no_grad()
        def run():
            return tokenizer.decode_tokens(sample(generator, label))

        with torch.no_grad():
            check = generator(torch.cat([4097 + label, some])[None])
        return {"run": run, "check": check, "parameters": count(generator, tokenizer)}

    return build


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
    model = filled(networks.lean_teacher())
    return teacher(model, 16, 32, lambda commitment, _: commitment, networks.EmaCodebook(model.quantize))


def vqgan():
    return teacher(filled(networks.vqgan()), 1, 64, lambda commitment, codebook: commitment + 0.25 * codebook)


cases = {name: reconstruction(name) for name in ("s128", "b64", "l32", "ll32vae")}
generators = {"generator-" + name: sampling(name) for name in ("b64", "s128")}
serve({**cases, **generators, "lean": lean, "vqgan": vqgan})
