"""Writes test/golden/scalar-functions.json: PyTorch's float64 values of every elementwise function and gradient.

Each case is [name, p, q, inputs..., outputs]; a gradient is taken with an incoming gradient of 1.5, by autograd.
Infinities, NaN and -0 are strings, since JSON has no way to write them.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
OUT = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "scalar-functions.json"
inf, nan = math.inf, math.nan

EDGES = [0.0, -0.0, inf, -inf, nan]
COMMON = EDGES + [
    1e-300, -1e-300, 1e-10, -1e-10, 1e-5, 0.1, -0.1, 0.25, -0.3, 0.46875, 0.5, -0.5, 0.7, 1.0, -1.0, 1.5, -1.5, 2.0,
    -2.0, 2.5, -2.5, 3.0, -3.0, 3.5, -3.999, 4.0, -4.001, 5.25, -5.25, 6.0, -6.0, 7.5, -8.0, 10.0, -10.0, 19.9, 20.0,
    20.5, -30.0, 50.0, -50.0, 100.0, -100.0, 700.0, -700.0,
]
WIDE = [1e5, -1e5, 1e15, -1e15, 4503599627370495.5, 1e300, -1e300]
G = 1.5


def encode(value):
    value = float(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0 and math.copysign(1, value) < 0:
        return "-0"
    return value


def column(tensor):
    return [encode(v) for v in tensor.tolist()]


def one_by_one(function, *columns):
    """Evaluates element by element, so that PyTorch's scalar and vector loops cannot disagree inside one case."""
    return torch.cat([function(*(c[i : i + 1] for c in columns)).double() for i in range(len(columns[0]))])


UNARY = {
    name: (lambda f: lambda x, p, q: f(x))(getattr(torch, torch_name))
    for name, torch_name in {
        **{n: n for n in "neg abs sign ceil floor round trunc sqrt rsqrt reciprocal square exp expm1 log log2".split()},
        **{n: n for n in "log10 log1p sin cos tan asin acos atan sinh cosh tanh erf sigmoid isnan isinf isfinite".split()},
        "copy": "clone",
        "logicalNot": "logical_not",
    }.items()
}

# name: (function, [(p, q), ...]); those that have a gradient kernel also appear in GRADIENTS.
NONE = [(0, 0)]
ACTIVATIONS = {
    "logSigmoid": (lambda x, p, q: F.logsigmoid(x), NONE),
    "softplus": (lambda x, p, q: F.softplus(x, p, q), [(1, 20), (2, 5), (0.5, 20)]),
    "softsign": (lambda x, p, q: F.softsign(x), NONE),
    "relu": (lambda x, p, q: F.relu(x), NONE),
    "relu6": (lambda x, p, q: F.relu6(x), NONE),
    "hardtanh": (lambda x, p, q: F.hardtanh(x, p, q), [(-1, 1), (-2.5, 6), (1, 3)]),
    "hardsigmoid": (lambda x, p, q: F.hardsigmoid(x), NONE),
    "hardswish": (lambda x, p, q: F.hardswish(x), NONE),
    "elu": (lambda x, p, q: F.elu(x, p), [(1, 0), (0.3, 0)]),
    # PyTorch rounds celu's 1 / alpha to float32 in the gradient: only powers of two show the formula.
    "celu": (lambda x, p, q: F.celu(x, p), [(1, 0), (0.25, 0)]),
    "selu": (lambda x, p, q: F.selu(x), NONE),
    "gelu": (lambda x, p, q: F.gelu(x), NONE),
    "geluTanh": (lambda x, p, q: F.gelu(x, approximate="tanh"), NONE),
    "silu": (lambda x, p, q: F.silu(x), NONE),
    "mish": (lambda x, p, q: F.mish(x), NONE),
    "leakyRelu": (lambda x, p, q: F.leaky_relu(x, p), [(0.01, 0), (0.5, 0), (-1, 0)]),
    "threshold": (lambda x, p, q: F.threshold(x, p, q), [(0.5, 7), (-1, -3)]),
    "hardshrink": (lambda x, p, q: F.hardshrink(x, p), [(0.5, 0), (2, 0)]),
    "softshrink": (lambda x, p, q: F.softshrink(x, p), [(0.5, 0), (2, 0)]),
    "tanhshrink": (lambda x, p, q: F.tanhshrink(x), NONE),
    "clampMin": (lambda x, p, q: x.clamp_min(p), [(0, 0), (-2.5, 0)]),
    "clampMax": (lambda x, p, q: x.clamp_max(p), [(0, 0), (2.5, 0)]),
    "clamp": (lambda x, p, q: x.clamp(p, q), [(-1, 1), (-2.5, 6), (3, 1)]),
    "addScalar": (lambda x, p, q: x + p, [(1.25, 0)]),
    "rsubScalar": (lambda x, p, q: p - x, [(1.25, 0)]),
    "mulScalar": (lambda x, p, q: x * p, [(1.25, 0), (0, 0)]),
    "divScalar": (lambda x, p, q: x / p, [(1.25, 0), (0, 0)]),
    "powScalar": (
        lambda x, p, q: x.pow(p),
        [(v, 0) for v in (0.5, -0.5, 2, 3, -1, -2, 0, 1, 1.7, -1.3, 5, -3, inf, -inf, nan)],
    ),
}
UNARY = {name: (f, NONE) for name, f in UNARY.items()} | ACTIVATIONS

# The gradient functions that take the forward pass's output in place of its input.
BY_OUTPUT = "relu sigmoid tanh".split()
BY_INPUT = (
    "relu6 hardtanh hardsigmoid hardswish elu celu selu gelu geluTanh silu mish leakyRelu threshold logSigmoid softplus "
    "hardshrink softshrink clamp"
).split()

BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "floorDivide": torch.floor_divide,
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "atan2": torch.atan2,
    "eq": torch.eq,
    "ne": torch.ne,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "logicalAnd": torch.logical_and,
    "logicalOr": torch.logical_or,
    "logicalXor": torch.logical_xor,
}
PAIRED = EDGES + [1.0, -1.0, 0.1, -0.3, 2.0, -2.0, 2.5, -3.0, 7.0, 1e-300, 1e300]
INTEGERS = [0, 1, -1, 5, -7, 12345, 2**31 - 1, -(2**31), 2**32 + 5, -(2**40) - 3, 2**53 - 1, -(2**53) + 1]


def gradient(function, x, p, q):
    x = x.clone().requires_grad_()
    function(x, p, q).backward(torch.full_like(x, G))
    return x.grad


def main():
    unary, gradients, binary = [], [], []
    common = torch.tensor(COMMON, dtype=torch.float64)
    for name, (function, parameters) in UNARY.items():
        x = torch.cat([common, torch.tensor(WIDE, dtype=torch.float64)]) if name in TAKES_WIDE else common
        for p, q in parameters:
            unary.append([name, encode(p), encode(q), column(x), column(one_by_one(lambda v: function(v, p, q), x))])
    for name in BY_INPUT:
        function, parameters = UNARY[name]
        for p, q in parameters:
            wanted = one_by_one(lambda v: gradient(function, v, p, q), common)
            gradients.append([name + "Grad", encode(p), encode(q), column(common), column(wanted)])
    for name in BY_OUTPUT:
        function, _ = UNARY[name]
        y = one_by_one(lambda v: function(v, 0, 0), common)
        wanted = one_by_one(lambda v: gradient(function, v, 0, 0), common)
        gradients.append([name + "Grad", 0, 0, column(y), column(wanted)])
    a, b = (torch.tensor(list(c), dtype=torch.float64) for c in zip(*((a, b) for a in PAIRED for b in PAIRED)))
    for name, function in BINARY.items():
        binary.append([name, 0, 0, column(a), column(b), column(one_by_one(function, a, b))])
    binary.append(["addScaled", -2.5, 0, column(a), column(b), column(one_by_one(lambda x, y: x.add(y, alpha=-2.5), a, b))])
    a, b = (torch.tensor(list(c)) for c in zip(*((a, b) for a in INTEGERS for b in INTEGERS)))
    for name, function in {"And": torch.bitwise_and, "Or": torch.bitwise_or, "Xor": torch.bitwise_xor}.items():
        binary.append(["bitwise" + name, 0, 0, a.tolist(), b.tolist(), function(a, b).tolist()])
    record = {
        "script": "tools/golden/scalar_functions.py",
        "torch": torch.__version__,
        "gradient": G,
        "unary": unary,
        "gradients": gradients,
        "binary": binary,
    }
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    OUT.write_text(text.replace("],[\"", "],\n[\"") + "\n")
    print(f"{OUT.name}: {len(unary)} unary, {len(gradients)} gradient, {len(binary)} binary cases, {len(text)} bytes")


TAKES_WIDE = set(
    "neg abs sign ceil floor round trunc sqrt rsqrt reciprocal log log2 log10 log1p atan tanh erf sigmoid softsign".split()
)

if __name__ == "__main__":
    main()
