"""Writes test/golden/init.json: what the functions of torch.nn.init make of a tensor after torch.manual_seed(SEED)."""
import json, os
import torch
from torch.nn import init

SEED = 11
HERE = os.path.dirname(os.path.abspath(__file__))
# Name, shape, positional arguments, keyword arguments.
CASES = [
    ("uniform_", [3, 2], [-2.0, 3.0], {}),
    ("normal_", [3, 2], [1.0, 0.5], {}),
    ("normal_", [5, 7], [], {}),
    ("constant_", [3], [2.5], {}),
    ("ones_", [3], [], {}),
    ("zeros_", [3], [], {}),
    ("eye_", [3, 4], [], {}),
    ("dirac_", [4, 2, 3], [], {}),
    ("dirac_", [4, 2, 3, 3], [2], {}),
    ("dirac_", [3, 4, 2, 3, 3], [], {}),
    ("xavier_uniform_", [3, 4], [], {}),
    ("xavier_uniform_", [3, 4, 2, 3], [2.0], {}),
    ("xavier_normal_", [3, 4, 2], [0.5], {}),
    ("kaiming_uniform_", [3, 4], [], {}),
    ("kaiming_uniform_", [3, 4, 3], [], dict(a=2.0, mode="fan_out")),
    ("kaiming_normal_", [3, 4, 2, 2], [], dict(nonlinearity="relu")),
    ("kaiming_normal_", [3, 4], [], dict(mode="fan_out", nonlinearity="tanh")),
    ("orthogonal_", [5, 5], [], {}),
    ("orthogonal_", [6, 3], [], {}),
    ("orthogonal_", [3, 2, 4], [2.0], {}),
]
GAINS = [("linear",), ("conv2d",), ("conv_transpose3d",), ("sigmoid",), ("tanh",), ("relu",), ("leaky_relu",), ("leaky_relu", 0.3), ("selu",)]

cases = []
for name, shape, args, kwargs in CASES:
    torch.manual_seed(SEED)
    tensor = getattr(init, name)(torch.empty(shape), *args, **kwargs)
    cases.append(dict(name=name, shape=shape, args=args, kwargs=kwargs, values=tensor.flatten().tolist()))
gains = [dict(args=args, gain=init.calculate_gain(*args)) for args in GAINS]
with open(os.path.join(HERE, "..", "..", "test", "golden", "init.json"), "w") as f:
    json.dump(dict(torch=torch.__version__, script="tools/golden/init.py", seed=SEED, cases=cases, gains=gains), f)
