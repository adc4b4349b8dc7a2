"""Golden data for activation functions, pools and reductions of quantized tensors, as PyTorch computes them on both engines.

Writes test/golden/quantized/tensor.safetensors. An argument is the seed.

  <case>/in, <case>/out       integers
The header's `cases` lists: name, op, the args after the tensor, engines, and the qparams of both tensors.
"""
import json, os, sys
import torch
import torch.nn.functional as F
from common import GOLDEN, channels_last, save_safetensors

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
Q = torch.ops.quantized
GRIDS = [
    (torch.quint8, 0.05, 100),
    (torch.quint8, 0.1, 3),
    (torch.quint8, 0.02, 255),
    (torch.qint8, 0.05, 10),
    (torch.qint8, 0.013, -100),
    (torch.qint8, 0.037, -7),
]
ENGINES = ["onednn", "qnnpack"]

tensors, cases = {}, []


def integers(dtype, shape, generator=None):
    """All 256 values in order if `shape` holds 256, else random ones."""
    low, plain = (0, torch.uint8) if dtype == torch.quint8 else (-128, torch.int8)
    n = torch.Size(shape).numel()
    if generator is None:
        return torch.arange(low, low + 256).repeat((n + 255) // 256)[:n].reshape(shape).to(plain)
    return torch.randint(low, low + 256, shape, generator=generator).to(plain)


def record(op, args, ints, grid, run):
    """Inputs of three and more dimensions are channels-last, as in networks. `args` are those after the tensor, under Octet's names. Records one case for each engine, once if they agree."""
    dtype, scale, zero_point = grid
    results = []
    for engine in ENGINES:
        torch.backends.quantized.engine = engine
        try:
            y = run(channels_last(torch._make_per_tensor_quantized_tensor(ints, scale, zero_point)))
        except RuntimeError:
            continue  # qnnpack has sigmoid for one output scale only
        results.append((engine, y))
    alike = len(results) == 2 and torch.equal(results[0][1].int_repr(), results[1][1].int_repr())
    for engine, y in results[:1] if alike else results:
        name = f"{len(cases)}"
        tensors[f"{name}/in"] = ints.contiguous()
        tensors[f"{name}/out"] = y.int_repr().contiguous()
        cases.append(
            {
                "name": name,
                "op": op,
                "args": args,
                "engines": ENGINES if alike else [engine],
                "scale": scale,
                "zeroPoint": zero_point,
                "outScale": y.q_scale(),
                "outZeroPoint": y.q_zero_point(),
            }
        )


def activations(grid):
    ints = integers(grid[0], (256,))
    own = lambda op, args, run: record(op, args, ints, grid, run)
    own("relu", [], F.relu)
    own("relu6", [], F.relu6)
    own("hardtanh", [{"minVal": -0.33, "maxVal": 0.77}], lambda x: F.hardtanh(x, -0.33, 0.77))
    own("clamp", [{"min": 0.2}], lambda x: torch.clamp(x, min=0.2))
    own("clamp", [{"max": -0.12}], lambda x: torch.clamp(x, max=-0.12))
    own("clamp", [{"min": -1e9, "max": 1e9}], lambda x: torch.clamp(x, -1e9, 1e9))
    for limit in (0.5, -0.25, 0.1):
        own("threshold", [limit, -1.0], lambda x: F.threshold(x, limit, -1.0))
    own("leakyRelu", [{"negativeSlope": 0.13}], lambda x: F.leaky_relu(x, 0.13))
    own("gelu", [{"approximate": "none"}], F.gelu)
    own("gelu", [{"approximate": "tanh"}], lambda x: F.gelu(x, approximate="tanh"))
    own("sigmoid", [], torch.sigmoid)
    own("tanh", [], torch.tanh)
    own("hardsigmoid", [], F.hardsigmoid)
    for scale, zero_point in [(0.06, 30), (0.02, 10), (0.007, 60), (0.05, 0)]:
        own("quantized.sigmoid", [scale, zero_point], lambda x: Q.sigmoid(x, scale, zero_point))
        own("quantized.hardswish", [scale, zero_point], lambda x: Q.hardswish(x, scale, zero_point))
        own("quantized.elu", [scale, zero_point, 1.3], lambda x: Q.elu(x, scale, zero_point, 1.3, 1.0, 1.0))
        own(
            "quantized.elu",
            [scale, zero_point, 1.3, 1.5, 0.5],
            lambda x: Q.elu(x, scale, zero_point, 1.3, 1.5, 0.5),
        )
        own("quantized.celu", [scale, zero_point, 1.3], lambda x: Q.celu(x, scale, zero_point, 1.3))
        own(
            "quantized.leakyRelu",
            [0.2, False, scale, zero_point],
            lambda x: Q.leaky_relu(x, 0.2, False, scale, zero_point),
        )
    own("quantized.relu6", [], lambda x: Q.relu6(x, False))
    own("quantized.clamp", [-0.3, 0.4], lambda x: Q.clamp(x, -0.3, 0.4))
    own("quantized.threshold", [0.5, -1.0], lambda x: Q.threshold(x, 0.5, -1.0))
    own("quantized.dropout", [1.0, 0], lambda x: Q.dropout(x, 1.0, 0, 0.5, False))
    square = lambda op, args, run: record(op, args, ints.reshape(16, 16), grid, run)
    low = 0 if grid[0] == torch.quint8 else -128
    square("quantized.softmax", [1, 1 / 256, low], lambda x: Q.softmax(x, 1, 1 / 256, low))
    square("quantized.softmax", [0, 0.01, low + 3], lambda x: Q.softmax(x, 0, 0.01, low + 3))
    for n in (1, 16):
        weight = integers(grid[0], (n,), torch.Generator().manual_seed(SEED + n))
        zero_point = 50 if low == 0 else 0  # so that the weight's grid holds 1, which PyTorch's sum needs
        qweight = torch._make_per_tensor_quantized_tensor(weight, 0.01, zero_point)
        args = [{"ints": weight.tolist(), "scale": 0.01, "zeroPoint": zero_point}, 0.03, 20]
        square("quantized.prelu", args, lambda x: Q.prelu(x, qweight, 0.03, 20))


def pools(grid):
    generator = torch.Generator().manual_seed(SEED + 1)
    plane = integers(grid[0], (2, 3, 11, 9), generator)
    volume = integers(grid[0], (2, 2, 5, 6, 7), generator)
    line = integers(grid[0], (2, 3, 13), generator)
    windows = [
        dict(kernelSize=2),
        dict(kernelSize=3, stride=2),
        dict(kernelSize=3, stride=2, padding=1),
        dict(kernelSize=3, stride=2, padding=1, ceilMode=True),
    ]
    snake = dict(kernelSize="kernel_size", ceilMode="ceil_mode", countIncludePad="count_include_pad")
    snake["divisorOverride"] = "divisor_override"
    for ints, n in ((line, 1), (plane, 2), (volume, 3)):
        for window in windows:
            options = {k: v for k, v in window.items() if k != "kernelSize"}
            python = {snake.get(k, k): v for k, v in window.items()}
            record(f"maxPool{n}d", [window["kernelSize"], options], ints, grid, lambda x: getattr(F, f"max_pool{n}d")(x, **python))
            record(f"avgPool{n}d", [window["kernelSize"], options], ints, grid, lambda x: getattr(F, f"avg_pool{n}d")(x, **python))
        if grid[0] == torch.qint8 or n == 3:  # qnnpack ignores these options for quint8
            extra = [dict(countIncludePad=False, stride=2, padding=1)]
            if n > 1:
                extra.append(dict(divisorOverride=7, padding=1))
            for options in extra:
                python = {snake.get(k, k): v for k, v in options.items()}
                record(f"avgPool{n}d", [3, options], ints, grid, lambda x: getattr(F, f"avg_pool{n}d")(x, 3, **python))
        for size in (1, 3, 4):
            record(f"adaptiveAvgPool{n}d", [size], ints, grid, lambda x: getattr(F, f"adaptive_avg_pool{n}d")(x, size))
    record("maxPool2d", [3, {"dilation": 2}], plane, grid, lambda x: F.max_pool2d(x, 3, dilation=2))
    few, many = (integers(grid[0], shape, generator) for shape in ((2, 4, 6, 6), (2, 44, 4, 4)))
    for x, options in ((plane, [True, False]), (few, [False]), (many, [False])):
        for dims in ([-1], [2, 3], [1], [0, 2]):
            for keepdim in options:
                record("mean", [dims, {"keepdim": keepdim}], x, grid, lambda x: x.mean(dims, keepdim=keepdim))
        record("mean", [], x, grid, lambda x: x.mean())
    for dims in ([-1], [1], [1, 2]):
        record("mean", [dims], line, grid, lambda x: x.mean(dims))
    for dims in ([2, 3, 4], [1]):
        record("mean", [dims], volume, grid, lambda x: x.mean(dims))
    for ints in (few, many):
        record("avgPool2d", [2], ints, grid, lambda x: F.avg_pool2d(x, 2))
        record("adaptiveAvgPool2d", [3], ints, grid, lambda x: F.adaptive_avg_pool2d(x, 3))
    for dims in ([-1], [1], [2, 3]):
        record("std", [dims], plane, grid, lambda x: x.std(dims))
        record("std", [dims, {"unbiased": False}], plane, grid, lambda x: x.std(dims, unbiased=False))


for grid in GRIDS:
    activations(grid)
    pools(grid)
folder = os.path.join(os.environ.get("OCTET_GOLDEN", GOLDEN), "quantized")
os.makedirs(folder, exist_ok=True)
header = dict(torch=torch.__version__, script="tools/golden/quantized_tensor.py", cases=json.dumps(cases, separators=(",", ":")))
path = os.path.join(folder, "tensor.safetensors")
save_safetensors(path, tensors, header)
print(f"quantized/tensor: {len(cases)} cases, {os.path.getsize(path) / 1024:.0f} KiB")
