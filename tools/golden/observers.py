"""Golden data for observers: what every observer says after each batch of several data sequences.

Writes test/golden/quantization/observers.safetensors, or below the folder that OCTET_GOLDEN names. An argument is the seed.

  data/<sequence>/<i>                 the batches
  <case>/scale, <case>/zero_point     qparams after each batch of each run, one after the other
  <case>/min_val, <case>/max_val      the buffers at the end of each run, likewise
  <case>/histogram/<sequence>/<i>     after batch i, for the first case with a number of bins
The header's `cases` lists: name, class, kwargs, the state dict's `keys` and `version`, and `runs`: the sequence as `data`, how
many scales each batch gave as `steps`, `zero_point_dtype` of the last, and the `error` that ended the run, if one did.
"""
import json, os, sys, warnings
import torch
from torch.ao.quantization import observer as O
from common import GOLDEN, save_safetensors

warnings.simplefilter("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
GEN = torch.Generator().manual_seed(SEED)
INF = float("inf")


def randn(*shape):
    return torch.randn(shape, generator=GEN)


def rand(*shape):
    return torch.rand(shape, generator=GEN)


def with_infinities(x):
    x = x.clone()
    x.view(-1)[1], x.view(-1)[-2] = INF, -INF
    return x


SHAPE = (6, 4, 3)
SEQUENCES = {
    "normal": [randn(*SHAPE) for _ in range(4)],
    "growing": [randn(*SHAPE) * s + t for s, t in ((0.5, 0), (1, 0.3), (3, -0.7), (11, 2))],
    "shrinking": [randn(*SHAPE) * s for s in (9, 3, 1, 0.1)],
    "shifting": [rand(*SHAPE) + t for t in (0, 2, -3, 7.5)],
    "constant": [torch.full(SHAPE, 5.0), torch.full(SHAPE, 5.0), torch.full(SHAPE, -1.25), randn(*SHAPE)],
    "zeros": [torch.zeros(SHAPE), torch.zeros(SHAPE), randn(*SHAPE)],
    "positive": [rand(*SHAPE) + 1, rand(*SHAPE) * 4 + 0.5],
    "negative": [-rand(*SHAPE) - 1, -rand(*SHAPE) * 4 - 0.5],
    "relu": [randn(8, 4, 16).relu() for _ in range(3)],
    "infinities": [with_infinities(randn(*SHAPE)), torch.full(SHAPE, INF), randn(*SHAPE), with_infinities(2 * randn(*SHAPE))],
    "heavy": [randn(16, 4, 16) ** 3 for _ in range(3)],
    "skewed": [torch.exp(2 * randn(16, 4, 8)) - 1 for _ in range(2)],
    "tiny": [randn(*SHAPE) * 1e-9, randn(*SHAPE) * 1e-7],
    "huge": [randn(*SHAPE) * 1e12, randn(*SHAPE) * 1e20],
    "small-step": [randn(*SHAPE), randn(*SHAPE) * (1 + 1e-6)],
    "many": [randn(64, 4, 16), randn(64, 4, 16) * 1.5],
    "nan": [randn(*SHAPE), torch.full(SHAPE, float("nan"))],
    "empty": [torch.zeros(0, 4, 3), randn(*SHAPE)],
    "unseen": [torch.zeros(0, 4, 3)],
}

PER_TENSOR = [torch.per_tensor_affine, torch.per_tensor_symmetric]
PER_CHANNEL = [torch.per_channel_affine, torch.per_channel_symmetric, torch.per_channel_affine_float_qparams]
RANGES = [
    dict(dtype=torch.quint8), dict(dtype=torch.quint8, reduce_range=True), dict(dtype=torch.qint8),
    dict(dtype=torch.qint8, reduce_range=True), dict(dtype=torch.quint8, quant_min=0, quant_max=127),
    dict(dtype=torch.quint8, quant_min=0, quant_max=255, reduce_range=True), dict(dtype=torch.qint32),
    dict(dtype=torch.qint8, quant_min=-127, quant_max=127, eps=2**-12), dict(dtype=torch.quint4x2),
    dict(dtype=torch.int8), dict(dtype=torch.uint8), dict(dtype=torch.int16), dict(dtype=torch.int32),
    dict(dtype=torch.qint8, quant_min=-8, quant_max=7),
]
FOR_HISTOGRAMS = ("many", "heavy", "relu", "skewed")
SLOW = [RANGES[i] for i in (0, 1, 2, 4, 7, 8, 11)]  # for histograms, whose search takes PyTorch long


def configurations():
    """(class, kwargs) of every observer with statistics."""
    for cls, schemes, extras in (
        (O.MinMaxObserver, PER_TENSOR, [{}]),
        (O.MovingAverageMinMaxObserver, PER_TENSOR, [{}, dict(averaging_constant=0.5), dict(averaging_constant=1)]),
        (O.PerChannelMinMaxObserver, PER_CHANNEL, [{}, dict(ch_axis=1), dict(ch_axis=2), dict(ch_axis=-1)]),
        (O.MovingAveragePerChannelMinMaxObserver, PER_CHANNEL, [{}, dict(ch_axis=1, averaging_constant=0.3)]),
        (O.HistogramObserver, PER_TENSOR, [{}, dict(bins=64), dict(bins=333), dict(bins=3)]),
    ):
        for extra in extras:
            for qscheme in schemes:
                for limits in RANGES[:3] if extra else SLOW if cls is O.HistogramObserver else RANGES:
                    if qscheme in (torch.per_tensor_symmetric, torch.per_channel_symmetric) and limits.get("reduce_range") and limits["dtype"] == torch.quint8:
                        continue  # refused by the constructor
                    yield cls, dict(limits, qscheme=qscheme, **extra)


def observe(obs, name, batches, case, keep_histograms):
    """Runs one sequence; returns its entry, qparams after each batch, and the buffers at the end."""
    run, scales, zero_points = dict(data=name, steps=[]), [], []
    try:
        for i, batch in enumerate(batches):
            assert obs(batch) is batch
            if keep_histograms:
                tensors[f"{case}/histogram/{name}/{i}"] = obs.histogram.clone()
            scale, zero_point = obs.calculate_qparams()
            run["steps"].append(scale.numel())
            run["zero_point_dtype"] = str(zero_point.dtype)
            scales.append(scale.clone()), zero_points.append(zero_point.double())
    except Exception as e:
        run["error"] = str(e)
    return run, scales, zero_points


tensors, cases, seen_bins = {}, [], set()
for name, batches in SEQUENCES.items():
    for i, batch in enumerate(batches):
        tensors[f"data/{name}/{i}"] = batch

for cls, kwargs in configurations():
    case, obs = f"{len(cases)}", cls(**kwargs)
    keep_histograms = cls is O.HistogramObserver and obs.bins not in seen_bins
    entry = dict(name=case, keys=list(obs.state_dict()), version=obs._version, runs=[])
    entry["class"] = cls.__name__
    entry["kwargs"] = {k: str(v) if isinstance(v, (torch.dtype, torch.qscheme)) else v for k, v in kwargs.items()}
    scales, zero_points, low, high = [], [], [], []
    for data, batches in SEQUENCES.items():
        if cls.__name__.endswith("ChannelMinMaxObserver") and data in FOR_HISTOGRAMS:
            continue
        obs = cls(**kwargs)
        run, s, z = observe(obs, data, batches, case, keep_histograms)
        entry["runs"].append(run)
        scales += s
        zero_points += z
        low.append(obs.min_val.flatten()), high.append(obs.max_val.flatten())
    if cls is O.HistogramObserver:
        seen_bins.add(obs.bins)
    for key, parts in (("scale", scales), ("zero_point", zero_points), ("min_val", low), ("max_val", high)):
        tensors[f"{case}/{key}"] = torch.cat(parts)
    cases.append(entry)

folder = os.path.join(os.environ.get("OCTET_GOLDEN", GOLDEN), "quantization")
os.makedirs(folder, exist_ok=True)
path = os.path.join(folder, "observers.safetensors")
save_safetensors(path, tensors, dict(torch=torch.__version__, script="tools/golden/observers.py", cases=json.dumps(cases, separators=(",", ":"))))
print(f"observers: {len(cases)} cases, {os.path.getsize(path) / 1024:.0f} KiB")
