"""The update of all training workloads."""
from serve import count, torch


def stepper(model, loss_of, params, after=lambda: None, **options):
    """A workload whose call is one update; its check is the losses of the first three."""
    optimizer = torch.optim.AdamW(params, **options)
    flat = [p for group in params for p in group["params"]]

    def step():
        loss = loss_of()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flat, 1.0)
        optimizer.step()
        after()
        return loss.item()

    return {"run": step, "check": [step() for _ in range(3)], "parameters": count(model)}
