"""The same as bench/workloads/sample.ts: eight guided MaskGIT steps from class to tokens, then tokens to pixels."""
from serve import count, filled, serve, torch
import networks
from maskgit import ImageBert, sample


def case(batch):
    def build():
        generator = filled(ImageBert(512, 16, 8, 192, 4, 4), "generator.").eval()
        teacher = networks.lean_teacher()
        tokenizer = filled(networks.laptop(pixel_decoder=teacher.decoder)).eval()
        labels = torch.arange(batch) % 8

        @torch.no_grad()
        def run(temperature=3.0):
            return tokenizer.decode_tokens(sample(generator, labels, temperature=temperature))

        return {"run": run, "check": run(0.0), "parameters": count(generator, tokenizer)}

    return build


serve({"b1": case(1), "b16": case(16)})
