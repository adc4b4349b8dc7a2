"""Writes test/golden/random-numbers.json: what PyTorch's CPU generator gives for a few seeds, distributions and sizes."""
import json, os
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
f32, f64 = torch.float32, torch.float64

# name -> function of nothing; the default generator is seeded before each.
DRAWS = {
    "rand": lambda: torch.rand(5),
    "rand float64": lambda: torch.rand(5, dtype=f64),
    "randn below 16": lambda: torch.cat([torch.randn(5), torch.randn(3)]),
    "randn below 16 float64": lambda: torch.randn(7, dtype=f64),
    "randn 16": lambda: torch.randn(16),
    "randn 100": lambda: torch.randn(10, 10),
    "randn 100 float64": lambda: torch.randn(10, 10, dtype=f64),
    "randint": lambda: torch.randint(0, 100, (6,)),
    "randint from below": lambda: torch.randint(-5, 5, (2, 3)),
    "randint wide": lambda: torch.randint(0, 2**33, (4,)),
    "randperm": lambda: torch.randperm(12),
    "uniform": lambda: torch.empty(6).uniform_(-2, 3),
    "uniform float64": lambda: torch.empty(6, dtype=f64).uniform_(-2, 3),
    "uniform transposed": lambda: torch.empty(4, 3).t().uniform_().contiguous(),
    "normal": lambda: torch.empty(6).normal_(1, 2),
    "normal 20": lambda: torch.empty(20).normal_(1, 2),
    "normal transposed": lambda: torch.empty(4, 5).t().normal_().contiguous(),
    "bernoulli of probabilities": lambda: torch.bernoulli(torch.linspace(0, 1, 10)),
    "bernoulli of float64 probabilities": lambda: torch.bernoulli(torch.linspace(0, 1, 10, dtype=f64)),
    "bernoulli in place": lambda: torch.empty(12).bernoulli_(0.3),
    "exponential": lambda: torch.empty(6).exponential_(2.0),
    "one after the other": lambda: torch.cat([torch.randn(3), torch.rand(2), torch.randn(20), torch.randn(2), torch.rand(1)]),
}

cases = []
for seed in (0, 7, 12345678901):
    for name, draw in DRAWS.items():
        torch.manual_seed(seed)
        t = draw()
        cases.append(dict(name=name, seed=seed, dtype=str(t.dtype).split(".")[1], shape=list(t.shape), values=t.reshape(-1).tolist()))

with open(os.path.join(HERE, "..", "..", "test", "golden", "random-numbers.json"), "w") as f:
    json.dump(dict(torch=torch.__version__, script="tools/golden/random_numbers.py", cases=cases), f, separators=(",", ":"))
    f.write("\n")
print(f"random: {len(cases)} cases")
