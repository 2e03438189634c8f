"""Checks that PyTorch computes on this machine what titok-ts computed: ids, activations, losses and gradients.

    python3 verify.py

Reads verify.safetensors, which `titok verify` writes. Ends with status 1 when something differs by more than its tolerance.
"""
import json
import os
import sys

import torch

import tensors
from titok import losses
from train import model_of

here = os.path.dirname(os.path.abspath(__file__))


def main():
    arrays, metadata = tensors.read(os.path.join(here, "verify.safetensors"))
    tolerances = json.loads(metadata["tolerances"])
    with open(os.path.join(here, "training.json")) as file:
        training = json.load(file)
    stage, settings = training["stage"], training["settings"]
    weights, _ = tensors.read(os.path.join(here, "run", stage + ".safetensors"))
    model = model_of(training, weights)
    model.quantize.requires_grad_(settings["codebook"] != "average")
    data = {k[len("input/") :]: torch.tensor(v) for k, v in arrays.items() if k.startswith("input/")}

    z = model.encoder(data["images"], model.latent_tokens)
    forward = model(data["images"])
    terms = losses[stage](settings, forward, data)
    terms["loss"].backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    found = {"activation/z": z, "activation/output": forward[0]}
    found.update({f"loss/{name}": term for name, term in terms.items()})
    found.update({f"gradient/{name}": g for name, g in gradients.items()})

    failed = []
    expected_ids = torch.tensor(arrays["output/ids"]).view(-1)
    different = int((forward[1].view(-1) != expected_ids).sum())
    print(f"ids: {len(expected_ids) - different} of {len(expected_ids)} equal")
    if different:
        failed.append("ids")
    for kind, limit in tolerances.items():
        worst, where = 0.0, "none"
        names = [name for name in arrays if name.startswith(kind + "/")]
        for name in names:
            expected = torch.tensor(arrays[name])
            if name not in found or found[name].shape != expected.shape:
                failed.append(f"{name}: expected shape {list(expected.shape)}")
                continue
            error = float((found[name].detach() - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
            if not error <= worst:
                worst, where = error, name
        print(f"{kind}: {len(names)} tensors, largest difference {worst:.1e} of the largest value ({where}), allowed {limit:.0e}")
        if not worst <= limit:
            failed.append(where)
    if failed:
        print("differs: " + ", ".join(failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
