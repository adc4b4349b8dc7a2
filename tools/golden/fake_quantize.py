"""Golden data for quantize, dequantize and fake quantization: operators and modules, values and gradients.

Writes test/golden/quantization/fake-quantize.safetensors, or below the folder that OCTET_GOLDEN names. An argument is the seed.

Header `cases`: `kind` is the function's name and the other fields are its arguments; tensors lie under `<name>/`:
  quantize             x, [scales, zero_points], ints, values    (dequantized)
  dynamic              x, ints, with `scale` and `zero_point`
  fake, learnable      x, [scale, zero_point], out, grad_out, grad/x, [grad/scale, grad/zero_point]
  fused                out, grad (of x) and after/<buffer>, stacked over the batches of the sequence `data`
  module               out and grad likewise, of a module of class `class` with `kwargs`; state/<key> and qparams/<key> at the
                       end; `switches` are the methods called before each batch, `keys` the state dict's, `repr` its text
  learnable-module     as fused, and qparams/<key>: the observer decides for two batches, then gradients do (SGD, lr 1e-3)
batches/<data>/<i> are the sequences, batches/grad_out the gradient that is fed to each output.
"""
import json, os, sys, warnings
import numpy as np
import torch
from torch.ao.quantization import observer as O, fake_quantize as F
from torch.ao.quantization._learnable_fake_quantize import _LearnableFakeQuantize
from common import GOLDEN, save_safetensors

warnings.simplefilter("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
GEN = torch.Generator().manual_seed(SEED)
tensors, cases = {}, []
INT = {torch.quint8: (0, 255), torch.qint8: (-128, 127), torch.qint32: (-2**31, 2**31 - 1), torch.quint4x2: (0, 15)}
EXTREMES = torch.tensor([0.0, -0.0, 1e-30, 1e9, -1e9, 1e18, 1e19, -1e19, 1e30, -1e30, float("inf"), -float("inf"), float("nan")])


def name_case(kind, **fields):
    name = f"{len(cases)}"
    cases.append(dict(name=name, kind=kind, **{k: str(v) if isinstance(v, (torch.dtype, torch.qscheme)) else v for k, v in fields.items()}))
    return name, cases[-1]


def randn(*shape):
    return torch.randn(shape, generator=GEN)


def on_ties(scale, zero_point, low, high, n=150):
    """Values at, and a few float32 steps beside, the middles between grid points."""
    q = torch.randint(max(low - 3, -2**23), min(high + 4, 2**23), (n,), generator=GEN).float()
    x = (q - zero_point + 0.5 * torch.randint(0, 2, (n,), generator=GEN)) * torch.tensor(scale, dtype=torch.float32)
    bits = x.numpy().view(np.int32) + torch.randint(-2, 3, (n,), generator=GEN, dtype=torch.int32).numpy()
    x = torch.from_numpy(bits.view(np.float32))
    return x if high > 2**30 else torch.cat([x, EXTREMES])  # with 32 bits PyTorch's q - zp would overflow


# ---- quantize and dequantize
SCALES = [0.1, 0.037, 1.0, 1 / 3, 2**-7, 3.7e-5, 12.5]
for dtype, (low, high) in INT.items():
    for scale in SCALES:
        for zp in sorted({max(low, -7), 0, min(high, 11)} | ({(low + high + 1) // 2, high} if high < 2**30 else set())):
            if dtype == torch.quint4x2:
                continue
            name, _ = name_case("quantize", dtype=dtype, scale=scale, zero_point=zp)
            x = on_ties(scale, zp, low, high)
            q = torch.quantize_per_tensor(x, scale, zp, dtype)
            tensors |= {f"{name}/x": x, f"{name}/ints": q.int_repr(), f"{name}/values": q.dequantize()}
for dtype in INT:
    low, high = INT[dtype]
    for axis, shape in ((0, (5, 30)), (1, (4, 6, 9)), (2, (3, 4, 7))):
        for floats in (False, True):
            if (dtype == torch.quint4x2 and not (floats and axis == 0)) or (floats and (axis > 0 or dtype == torch.qint32)):
                continue  # not supported by PyTorch
            channels = shape[axis]
            scales = torch.rand(channels, generator=GEN) * 0.3 + 0.01
            zps = randn(channels) * 9 if floats else torch.randint(max(low, -100), min(high, 100), (channels,), generator=GEN)
            shaped = [1] * len(shape)
            shaped[axis] = channels
            x = (torch.randint(max(low, -60), min(high, 200) + 5, shape, generator=GEN) + 0.5 * torch.randint(0, 2, shape, generator=GEN) - zps.reshape(shaped)) * scales.reshape(shaped)
            x = x.float()
            if not floats:  # which PyTorch casts to 32 bits, and loses large ones
                x.view(-1)[:3] = torch.tensor([float("nan"), float("inf"), 1e12])
            name, _ = name_case("quantize", dtype=dtype, axis=axis)
            q = torch.quantize_per_channel(x, scales if floats else scales.double(), zps, axis, dtype)
            tensors |= {f"{name}/x": x, f"{name}/scales": scales, f"{name}/zero_points": zps, f"{name}/ints": q.int_repr().flatten(), f"{name}/values": q.dequantize()}
for dtype in (torch.quint8, torch.qint8):
    for reduce in (False, True):
        for x in (randn(200), randn(100).abs(), -randn(100).abs(), torch.zeros(7), torch.tensor([-1.0, 1.0]), torch.full((5,), 3.0), randn(50) * 1e-7, randn(50) * 1e6):
            q = torch.quantize_per_tensor_dynamic(x, dtype, reduce)
            name, _ = name_case("dynamic", dtype=dtype, reduce_range=reduce, scale=q.q_scale(), zero_point=q.q_zero_point())
            tensors |= {f"{name}/x": x, f"{name}/ints": q.int_repr()}

# ---- fake quantization: operators


def fake(kind, call, x, parameters=None, **fields):
    name, entry = name_case(kind, input_dtype=x.dtype, **fields)
    leaf = x.clone().requires_grad_(True)
    given = {k: v.clone().requires_grad_(v.is_floating_point() and kind == "learnable") for k, v in (parameters or {}).items()}
    out = call(leaf, **given)
    grad_out = torch.randn(out.shape, generator=torch.Generator().manual_seed(5)).to(out.dtype)
    out.backward(grad_out)
    tensors.update({f"{name}/x": x, f"{name}/out": out.detach(), f"{name}/grad_out": grad_out, f"{name}/grad/x": leaf.grad})
    for k, v in given.items():
        tensors[f"{name}/{k}"] = v.detach()
        if v.grad is not None:
            tensors[f"{name}/grad/{k}"] = v.grad


for low, high in ((0, 255), (-128, 127), (0, 127), (-8, 7), (0, 15), (-2**31, 2**31 - 1)):
    for scale in SCALES:
        for zp in sorted({max(low, -5), 0, min(high, 9), high if high < 2**31 - 1 else 7}):
            x = on_ties(scale, zp, low, high, 80)
            for dtype in (torch.float32,) if scale != 0.1 else (torch.float32, torch.float64, torch.float16):
                fake("fake", lambda v: torch.fake_quantize_per_tensor_affine(v, scale, zp, low, high), x.to(dtype), scale=scale, zp=zp, quant_min=low, quant_max=high)
for low, high in ((0, 255), (-128, 127), (0, 15)):
    for axis, shape in ((0, (6, 40)), (1, (3, 5, 12)), (2, (4, 5, 6))):
        for zp_dtype in (torch.int32, torch.float32, torch.float16):
            for dtype in (torch.float32, torch.float64, torch.float16):
                channels = shape[axis]
                scale = torch.rand(channels, generator=GEN) * 0.2 + 0.003
                zp = (torch.rand(channels, generator=GEN) * (high - low) + low).to(zp_dtype)
                shaped = [1] * len(shape)
                shaped[axis] = channels
                x = (torch.randint(low - 9, high + 10, shape, generator=GEN) + 0.5 * torch.randint(0, 2, shape, generator=GEN) - zp.reshape(shaped).float()) * scale.reshape(shaped)
                x = x.float()
                x.view(-1)[:4] = torch.tensor([float("nan"), float("inf"), 1e12, -1e30])
                fake("fake", lambda v, scale, zero_point: torch.fake_quantize_per_channel_affine(v, scale, zero_point, axis, low, high), x.to(dtype), dict(scale=scale, zero_point=zp), quant_min=low, quant_max=high, axis=axis)
for low, high in ((0, 255), (-128, 127), (-8, 7)):
    for factor in (1.0, 0.1, 10.0):
        for zp in (0.0, low + 2.5, high - 3.5, high + 9.0, -1.3):
            for s in (0.1, 0.03):
                x = torch.cat([randn(60) * s * (high - low), on_ties(s, 0, low, high, 60)[:60]])
                fake("learnable", lambda v, scale, zero_point: torch._fake_quantize_learnable_per_tensor_affine(v, scale, zero_point, low, high, factor), x, dict(scale=torch.tensor([s]), zero_point=torch.tensor([zp])), quant_min=low, quant_max=high, grad_factor=factor)
        for axis in (0, 1, 2):
            shape = (4, 5, 6)
            n = shape[axis]
            x = randn(*shape) * (high - low) * 0.05
            fake("learnable", lambda v, scale, zero_point: torch._fake_quantize_learnable_per_channel_affine(v, scale, zero_point, axis, low, high, factor), x, dict(scale=torch.rand(n, generator=GEN) * 0.1 + 0.02, zero_point=randn(n) * 4), quant_min=low, quant_max=high, grad_factor=factor, axis=axis)

# ---- fused operator and modules
BATCHES = {
    "normal": [randn(6, 4, 3) * s for s in (1, 2, 0.5, 4)],
    "positive": [randn(6, 4, 3).abs() + 0.3 for _ in range(3)],
    "negative": [-randn(6, 4, 3).abs() - 0.3 for _ in range(3)],
    "zeros": [torch.zeros(6, 4, 3), randn(6, 4, 3)],
    "tiny": [randn(6, 4, 3) * 1e-6, randn(6, 4, 3) * 1e-4],
    "mixed": [torch.stack([randn(4, 3), randn(4, 3).abs(), -randn(4, 3).abs(), torch.zeros(4, 3), torch.ones(4, 3), randn(4, 3) * 1e-7]) for _ in range(3)],
}
tensors["batches/grad_out"] = randn(6, 4, 3)
for key, batches in BATCHES.items():
    for i, batch in enumerate(batches):
        tensors[f"batches/{key}/{i}"] = batch


def run(name, step, batches, buffers):
    outs, grads, after = [], [], {k: [] for k in buffers()}
    for i, batch in enumerate(batches):
        leaf = batch.clone().requires_grad_(True)
        out = step(i, leaf)
        out.backward(tensors["batches/grad_out"])
        outs.append(out.detach()), grads.append(leaf.grad)
        for k, v in buffers().items():
            after[k].append(v.detach().clone())
    tensors[f"{name}/out"], tensors[f"{name}/grad"] = torch.stack(outs), torch.stack(grads)
    for k, v in after.items():
        tensors[f"{name}/after/{k}"] = torch.stack(v)


for data, batches in BATCHES.items():
    for low, high in ((0, 255), (-128, 127), (-127, 127), (0, 127)):
        for symmetric in (False, True):
            for per_row in (False, True):
                name, _ = name_case("fused", data=data, averaging_const=0.1, quant_min=low, quant_max=high, per_row=per_row, symmetric=symmetric)
                b = dict(min_val=torch.tensor([] if per_row else float("inf")), max_val=torch.tensor([] if per_row else -float("inf")), scale=torch.tensor([1.0]), zero_point=torch.tensor([0], dtype=torch.int32))
                on = torch.tensor([1])
                run(name, lambda i, x: torch.fused_moving_avg_obs_fake_quant(x, on, on, b["min_val"], b["max_val"], b["scale"], b["zero_point"], 0.1, low, high, 0 if per_row else -1, per_row, symmetric), batches, lambda: b)

SWITCHES = [[], ["disable_fake_quant"], ["enable_fake_quant", "disable_observer"], ["enable_observer"]]
MODULES = [(F.FakeQuantize, dict(observer=o, dtype=d, qscheme=s, quant_min=lo, quant_max=hi, **extra))
           for o, s, extra in ((O.MovingAverageMinMaxObserver, torch.per_tensor_affine, {}), (O.MovingAverageMinMaxObserver, torch.per_tensor_symmetric, dict(averaging_constant=0.3)),
                               (O.MinMaxObserver, torch.per_tensor_affine, {}), (O.PerChannelMinMaxObserver, torch.per_channel_symmetric, {}),
                               (O.MovingAveragePerChannelMinMaxObserver, torch.per_channel_affine, dict(ch_axis=1)),
                               (O.MovingAveragePerChannelMinMaxObserver, torch.per_channel_affine_float_qparams, dict(averaging_constant=1)))
           for d, lo, hi in ((torch.quint8, 0, 255), (torch.qint8, -128, 127), (torch.quint8, 0, 127))]
MODULES += [(F.FusedMovingAvgObsFakeQuantize, k) for c, k in MODULES if "MovingAverage" in k["observer"].__name__ and k.get("ch_axis", 0) == 0 and k["qscheme"] != torch.per_channel_affine_float_qparams]
MODULES += [(F.FusedMovingAvgObsFakeQuantize, dict(observer=O.MovingAveragePerChannelMinMaxObserver, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-128, quant_max=127)),
            (F.FusedMovingAvgObsFakeQuantize, dict(observer=O.MovingAverageMinMaxObserver, dtype=torch.quint8, quant_min=0, quant_max=255, reduce_range=True)),
            (F.FakeQuantize, dict(observer=O.HistogramObserver, dtype=torch.quint8, reduce_range=True))]
for cls, kwargs in MODULES:
    for data in ("normal", "mixed"):
        m = cls(**kwargs)
        name, entry = name_case("module", data=data, switches=SWITCHES, kwargs={k: str(v) if isinstance(v, (torch.dtype, torch.qscheme)) else getattr(v, "__name__", v) for k, v in kwargs.items()})
        entry["class"] = cls.__name__

        def step(i, x):
            for switch in SWITCHES[i]:
                getattr(m, switch)()
            return m(x)

        run(name, step, BATCHES[data], dict)
        for k, v in m.state_dict().items():
            if not k.endswith("histogram"):
                tensors[f"{name}/state/{k}"] = v.clone()
        scale, zp = m.calculate_qparams()
        tensors |= {f"{name}/qparams/scale": scale.clone(), f"{name}/qparams/zero_point": zp.clone()}
        entry["keys"], entry["repr"] = list(m.state_dict()), repr(m)

# ---- learnable module: two steps of static estimates, then gradient steps
for scheme, kwargs in ((torch.per_tensor_affine, {}), (torch.per_tensor_symmetric, {}), (torch.per_channel_affine, dict(channel_len=6)), (torch.per_channel_symmetric, dict(channel_len=6))):
    for scaling in (False, True):
        observer = O.MovingAveragePerChannelMinMaxObserver if "channel_len" in kwargs else O.MovingAverageMinMaxObserver
        dtype, low, high = (torch.qint8, -8, 7) if scaling else (torch.quint8, 0, 255)
        m = _LearnableFakeQuantize(observer=observer, quant_min=low, quant_max=high, use_grad_scaling=scaling, dtype=dtype, qscheme=scheme, **kwargs)
        name, entry = name_case("learnable-module", data="normal", kwargs=dict(observer=observer.__name__, quant_min=low, quant_max=high, use_grad_scaling=scaling, dtype=str(dtype), qscheme=str(scheme), **kwargs))
        optimizer = torch.optim.SGD([m.scale, m.zero_point], lr=1e-3)

        def step(i, x):
            if i == 2:
                m.enable_param_learning()
            return m(x)

        def buffers():
            if m.learning_enabled[0] == 1:
                optimizer.step()
                optimizer.zero_grad()
            return dict(scale=m.scale, zero_point=m.zero_point)

        m.toggle_qparam_learning(False)
        run(name, step, BATCHES["normal"], buffers)
        scale, zp = m.calculate_qparams()
        tensors |= {f"{name}/qparams/scale": scale, f"{name}/qparams/zero_point": zp}
        entry["keys"] = list(m.state_dict())

folder = os.path.join(os.environ.get("OCTET_GOLDEN", GOLDEN), "quantization")
os.makedirs(folder, exist_ok=True)
path = os.path.join(folder, "fake-quantize.safetensors")
save_safetensors(path, tensors, dict(torch=torch.__version__, script="tools/golden/fake_quantize.py", cases=json.dumps(cases, separators=(",", ":"))))
print(f"fake quantize: {len(cases)} cases, {os.path.getsize(path) / 1024:.0f} KiB")
