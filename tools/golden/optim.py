"""Golden data for optimizers and schedulers: parameters after every one of six steps with fixed gradients, and rates.

Writes test/golden/optim/optim.safetensors: `<case>/<f32|f64>/start`, `.../grads` [6, 4, 3] and `.../after` [6, 4, 3];
the header's `optimizers` and `schedulers` list the cases with their options.
"""
import json, os, sys
import torch
from common import GOLDEN, save_safetensors

STEPS = 6
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}),
]
SCHEDULERS = [
    ("StepLR", [3], {"gamma": 0.5}),
    ("MultiStepLR", [[2, 5, 5]], {"gamma": 0.1}),
    ("ExponentialLR", [0.9], {}),
    ("CosineAnnealingLR", [7], {"eta_min": 0.01}),
    ("CosineAnnealingLR", [4], {}),
]

tensors, optimizers, schedulers = {}, [], []
for index, (name, options) in enumerate(OPTIMIZERS):
    case = f"{index}-{name}"
    optimizers.append({"case": case, "name": name, "options": options})
    for tag, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        gen = torch.Generator().manual_seed(index)
        start = torch.randn(4, 3, generator=gen).to(dtype)
        grads = torch.randn(STEPS, 4, 3, generator=gen).to(dtype)
        grads[2] = 0  # a step without any gradient signal
        p = start.clone().requires_grad_(True)
        optimizer = getattr(torch.optim, name)([p], **options)
        after = []
        for g in grads:
            p.grad = g.clone()
            optimizer.step()
            after.append(p.detach().clone())
        tensors |= {f"{case}/{tag}/start": start, f"{case}/{tag}/grads": grads, f"{case}/{tag}/after": torch.stack(after)}
for name, args, options in SCHEDULERS:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, *args, **options)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    schedulers.append({"name": name, "args": args, "options": options, "rates": rates})

folder = os.path.join(GOLDEN, "optim")
os.makedirs(folder, exist_ok=True)
save_safetensors(os.path.join(folder, "optim.safetensors"), tensors, dict(
    torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}",
    optimizers=json.dumps(optimizers), schedulers=json.dumps(schedulers)))
