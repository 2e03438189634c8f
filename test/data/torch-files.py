"""Writes PyTorch files and, as JSON, what is in them: python3 torch-files.py FOLDER. tiny.pth beside it was made like this."""
import collections, json, os, sys
import torch

folder = sys.argv[1]
base = torch.arange(12.0).reshape(3, 4)
state = collections.OrderedDict(
    float=base / 8,
    transposed=base.t(),
    slice=base[1:, 1::2],
    shared=base[2],
    half=torch.tensor([1.5, -2.0], dtype=torch.float16),
    bfloat=torch.tensor([3.140625], dtype=torch.bfloat16),
    double=torch.tensor([[0.1]], dtype=torch.float64),
    parameter=torch.nn.Parameter(torch.ones(2, 1, 2)),
    long=torch.tensor(-7),
    short=torch.tensor([-300, 300], dtype=torch.int16),
    char=torch.tensor([-128, 127], dtype=torch.int8),
    byte=torch.tensor([0, 255], dtype=torch.uint8),
    bool=torch.tensor([True, False]),
    empty=torch.zeros(0, 3),
)


class Unsafe:
    def __reduce__(self):
        return os.system, ("touch " + os.path.join(folder, "ran"),)


save = lambda value, name, **how: torch.save(value, os.path.join(folder, name), **how)
save(state, "tiny.pth")
save({"model": state, "step": 5, "lr": 1e-4, "name": "x", "betas": (0.9, 0.99), "none": None}, "member.pt")
save({"module._orig_mod." + name: t for name, t in state.items()}, "prefixes.bin")
save(state, "protocol4.pt", pickle_protocol=4)
save(torch.nn.Linear(2, 3).state_dict(), "linear.pt")
save(state, "old.pt", _use_new_zipfile_serialization=False)
save({"model": state, "step": 5}, "old-member.pt", _use_new_zipfile_serialization=False)
save({"weight": torch.ones(2), "hook": Unsafe()}, "old-unsafe.pt", _use_new_zipfile_serialization=False)
save({"weight": torch.ones(2), "hook": Unsafe()}, "unsafe.pt")
save(torch.nn.Linear(2, 3), "module.pt")
save({"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}, "two.pt")
with open(os.path.join(folder, "tiny.json"), "w") as file:
    json.dump({name: [list(t.shape), t.double().flatten().tolist()] for name, t in state.items()}, file)
