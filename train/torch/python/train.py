"""Goes on with a training of titok-ts on the processes of one machine or several.

    torchrun --nproc_per_node 8 train.py --steps 100000 --batch-size 512

Every process takes its part of each batch; the gradients are averaged. Writes trained.safetensors beside this file, which
`titok import` reads, with optimizer and codebook, and log.jsonl, a line for each update. Started again, it goes on from
trained.safetensors.
"""
import argparse
import json
import math
import os
import time
from datetime import timedelta

import numpy
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import tensors
from titok import TiTok, losses

here = os.path.dirname(os.path.abspath(__file__))


def learning_rate(settings, done):
    """A linear rise, then half a cosine down to endRate of the top."""
    top, total, warmup = settings["learningRate"], settings["scheduleSteps"] or settings["steps"], settings["warmupSteps"]
    end = settings["endRate"] * top
    if done >= total:
        return end
    if done < warmup:
        return top * done / warmup
    return end + (top - end) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (total - warmup)))


# Of the polynomials of arXiv:2505.16932, the first three.
polynomials = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
]


def orthogonalize(x):
    """[n, rows, columns] with rows <= columns -> U V' of x = U S V', roughly"""
    y = x / (1.01 * x.square().sum((1, 2), keepdim=True).sqrt() + 1e-12)
    for a, b, c in polynomials:
        s = y @ y.transpose(1, 2)
        y = a * y + (c * (s @ s) + b * s) @ y
    return y


class Muon(torch.optim.Optimizer):
    """Momentum whose every update is orthogonal, for matrices; packed q, k and v count as three."""

    def __init__(self, groups):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p]["momentum_buffer"]
                m.lerp_(p.grad, 0.05)
                u = (0.95 * m + 0.05 * p.grad).view(group["parts"], -1, p.shape[1])
                tall = u.shape[1] > u.shape[2]
                o = orthogonalize(u.transpose(1, 2) if tall else u)
                size = 0.2 * max(o.shape[1:]) ** 0.5
                o = (o.transpose(1, 2) if tall else o).reshape(p.shape)
                p.sub_(group["lr"] * group["weight_decay"] * p + group["lr"] * size * o)


fields = {"model": ["exp_avg", "exp_avg_sq"], "muon": ["momentum_buffer"]}


def optimizers(model, training, state, device):
    """AdamW, and Muon where the run has it, with the state of the run. The lists of names are those of training.json."""
    settings, parameters, made = training["settings"], dict(model.named_parameters()), {}
    for kind, names in training["trained"].items():
        groups = [
            {
                "params": [parameters[name]],
                "weight_decay": settings["weightDecay"] if name in training["decayed"] else 0.0,
                "parts": 3 if name.endswith("in_proj_weight") else 1,
            }
            for name in names
        ]
        made[kind] = Muon(groups) if kind == "muon" else torch.optim.AdamW(groups, betas=settings["betas"], eps=1e-8)
        for name in names:
            own = {field: torch.tensor(state[f"optimizer.{kind}/{field}.{name}"], device=device) for field in fields[kind]}
            made[kind].state[parameters[name]] = {"step": torch.tensor(float(training["updates"][kind])), **own}
    return made


class AveragedCodebook:
    """Each code is the running mean of the latents that chose it, on all processes; dead codes are revived."""

    def __init__(self, quantizer, share, total):
        self.quantizer, self.share, self.sum = quantizer, share, total

    @torch.no_grad()
    def update(self, rows, ids):
        weight = self.quantizer.embedding.weight
        count, codes = len(rows), len(weight)
        chosen = torch.nn.functional.one_hot(ids.flatten(), codes).to(rows.dtype) / count
        fresh = rows[torch.randint(count, (codes,), device=rows.device)]
        dist.broadcast(fresh, 0)
        share, total = mean_of_processes(chosen.sum(0)[:, None]), mean_of_processes(chosen.t() @ rows)
        self.share += 0.03 * (share - self.share)
        self.sum += 0.03 * (total - self.sum)
        dead = self.share < 0.03 / codes
        self.sum.copy_(torch.where(dead, fresh / codes, self.sum))
        weight.copy_(torch.where(dead, fresh, self.sum / self.share))
        self.share.copy_(torch.where(dead, torch.full_like(self.share, 1 / codes), self.share))


def mean_of_processes(x):
    x = x.detach().clone()
    dist.all_reduce(x)
    return x / dist.get_world_size()


def drawn(data, images, rng):
    """A batch of the rows `images`; half of those whose class allows it are mirrored."""
    flip = (rng.random(len(images)) < 0.5) & (data["mirrors"][images] == 1)
    pixels = data["images"][images].astype(numpy.float32) / 255
    pixels[flip] = pixels[flip][..., ::-1]
    batch = {"images": torch.from_numpy(pixels)}
    if "codes" in data:
        codes = data["codes"][images]
        if flip.any():
            codes[flip] = data["mirrored_codes"][images[flip]]
        batch["codes"] = torch.from_numpy(codes)
    return batch


def batches(count, size, rng):
    """Rows in a new order every epoch. Small data repeats within a batch."""
    rest = numpy.empty(0, numpy.int64)
    while True:
        while len(rest) < size:
            rest = numpy.concatenate([rest, rng.permutation(count)])
        yield rest[:size]
        rest = rest[size:]


def load(folder):
    """Tensors of the training so far, and training.json with what has been done since."""
    with open(os.path.join(folder, "training.json")) as file:
        training = json.load(file)
    trained = os.path.join(folder, "trained.safetensors")
    if not os.path.exists(trained):
        return tensors.read(os.path.join(folder, "run", training["stage"] + ".safetensors"))[0], training
    state, metadata = tensors.read(trained)
    return state, {**training, **json.loads(metadata["training"])}


def model_of(training, state):
    model = TiTok(training["model"])
    model.load_state_dict({k[len("model/") :]: torch.tensor(v) for k, v in state.items() if k.startswith("model/")})
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="updates in all, those of the run included")
    parser.add_argument("--batch-size", type=int, help="images per update, of all processes together")
    parser.add_argument("--learning-rate", type=float, help="at the top of the cosine")
    parser.add_argument("--save-every", type=int, default=1000, help="updates between files")
    parser.add_argument("--seed", type=int, default=0, help="of the order of images")
    given = parser.parse_args()

    use_cuda = torch.cuda.is_available()
    dist.init_process_group("nccl" if use_cuda else "gloo", timeout=timedelta(minutes=10))
    rank, processes = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if use_cuda else torch.device("cpu")

    state, training = load(here)
    settings, stage = training["settings"], training["stage"]
    if given.learning_rate is not None:
        settings["muonLearningRate"] *= given.learning_rate / settings["learningRate"]
    changes = {"steps": given.steps, "batchSize": given.batch_size, "learningRate": given.learning_rate}
    settings.update({name: value for name, value in changes.items() if value is not None})
    if settings["batchSize"] % processes:
        raise SystemExit(f"--batch-size: expected a multiple of {processes} processes, got {settings['batchSize']}.")
    if training["done"] >= settings["steps"]:
        raise SystemExit(f"--steps: expected more than the {training['done']} updates done, got {settings['steps']}.")

    model = model_of(training, state).to(device)
    averaged = settings["codebook"] == "average"
    model.quantize.requires_grad_(not averaged)
    share, total = (torch.tensor(state["codebook/" + name], device=device) for name in ["share", "sum"])
    codebook = AveragedCodebook(model.quantize, share, total)
    made = optimizers(model, training, state, device)
    parallel = DistributedDataParallel(model, device_ids=[device.index] if use_cuda else None)
    trained = [p for p in model.parameters() if p.requires_grad]

    data, _ = tensors.read(os.path.join(here, "data.safetensors"))
    teacher = {"teacher": torch.tensor(data["teacher"], device=device)} if "teacher" in data else {}
    start = training["done"]
    order = batches(len(data["images"]), settings["batchSize"], numpy.random.default_rng([given.seed, start]))
    flips = numpy.random.default_rng([given.seed, start, rank + 1])
    torch.manual_seed(1000 * given.seed + rank)
    log = open(os.path.join(here, "log.jsonl"), "a") if rank == 0 else None
    before, began = training.get("seconds", 0), time.perf_counter()

    for done in range(start, settings["steps"]):
        own = next(order)[rank :: processes]
        batch = {**{name: x.to(device) for name, x in drawn(data, own, flips).items()}, **teacher}
        forward = parallel(batch["images"])
        terms = losses[stage](settings, forward, batch)
        report = dict(zip(terms, mean_of_processes(torch.stack(list(terms.values()))).tolist()))
        if not math.isfinite(report["loss"]):
            raise SystemExit(f"update {done + 1}: expected a finite loss, got {report['loss']}. Try a lower --learning-rate.")
        model.zero_grad(set_to_none=True)
        terms["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, settings["maxNorm"]).item()
        rate = learning_rate(settings, done)
        for kind, optimizer in made.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * (settings["muonLearningRate"] / settings["learningRate"] if kind == "muon" else 1)
            optimizer.step()
            training["updates"][kind] += 1
        if averaged:
            codebook.update(forward[4].detach(), forward[1])
        training["done"] = done + 1
        training["seconds"] = before + time.perf_counter() - began
        training["recent"] = [*training["recent"], {**report, "gradientNorm": norm, "learningRate": rate}][-50:]
        if rank == 0:
            print(json.dumps({"step": done + 1, **training["recent"][-1]}), file=log, flush=True)
            if (done + 1) % 50 == 0 or done + 1 == settings["steps"]:
                print(f"update {done + 1} of {settings['steps']}, loss {report['loss']:.4f}", flush=True)
            if (done + 1) % given.save_every == 0 or done + 1 == settings["steps"]:
                save(training, model, made, codebook)
    dist.barrier()  # all is saved
    os._exit(0)  # tearing down gloo waits forever now and then, in PyTorch 1.13


def save(training, model, made, codebook):
    named = {f"model/{name}": p for name, p in model.named_parameters()}
    for kind, names in training["trained"].items():
        states = {name: made[kind].state[p] for name, p in model.named_parameters() if name in names}
        named.update({f"optimizer.{kind}/{field}.{name}": s[field] for name, s in states.items() for field in fields[kind]})
    named.update({"codebook/share": codebook.share, "codebook/sum": codebook.sum})
    metadata = {key: training[key] for key in ["settings", "done", "seconds", "updates", "recent"]}
    arrays = {name: x.detach().cpu().numpy() for name, x in named.items()}
    tensors.write(os.path.join(here, "trained.safetensors"), arrays, {"training": json.dumps(metadata)})


if __name__ == "__main__":
    main()
