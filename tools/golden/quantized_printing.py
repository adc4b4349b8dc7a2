"""Writes test/golden/quantized/printing.json: quantized tensors and the text that PyTorch prints for them."""
import json, os
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
g = torch.Generator().manual_seed(3)


def randn(*shape):
    return torch.randn(*shape, generator=g)


def per_tensor(x, scale, zero_point, dtype=torch.quint8):
    return torch.quantize_per_tensor(x, scale, zero_point, dtype)


def per_channel(x, scales, zero_points, axis, dtype=torch.quint8):
    return torch.quantize_per_channel(x, torch.tensor(scales), torch.tensor(zero_points), axis, dtype)


CASES = {
    "scalar": per_tensor(torch.tensor(1.5), 0.05, 40),
    "vector": per_tensor(torch.tensor([-1.0, 0.0, 2.5]), 0.05, 40),
    "whole values": per_tensor(torch.tensor([-1.0, 0.0, 2.0]), 1.0, 2),
    "tiny scale": per_tensor(torch.tensor([1e-5, 0.0]), 6.1e-05, 0),
    "tinier scale": per_tensor(torch.tensor([1e-7, 0.0]), 1.1920928955078125e-07, 0),
    "large scale": per_tensor(torch.tensor([1e20, 0.0]), 1e18, 0),
    "float32 scale": per_tensor(torch.tensor([0.3, 0.2]), torch.tensor(0.1), torch.tensor(3)),
    "qint8": per_tensor(randn(2, 3), 0.037, -5, torch.qint8),
    "qint32": per_tensor(randn(2, 3), 1e-4, 0, torch.qint32),
    "matrix": per_tensor(randn(3, 4), 0.02, 128),
    "wide matrix": per_tensor(randn(2, 14), 0.02, 128),
    "cube": per_tensor(randn(2, 3, 2), 0.02, 128),
    "summarized": per_tensor(randn(40, 30), 0.02, 128),
    "empty": torch._empty_affine_quantized([0], scale=0.5, zero_point=3, dtype=torch.quint8),
    "empty matrix": torch._empty_affine_quantized([2, 0], scale=0.5, zero_point=3, dtype=torch.qint8),
    "per channel": per_channel(randn(2, 3), [0.1, 0.02], [10, 0], 0),
    "per channel, second axis": per_channel(randn(2, 3), [0.1, 0.02, 0.5], [10, 0, 255], 1),
    "per channel, qint8": per_channel(randn(2, 3), [0.1, 0.25], [0, 0], 0, torch.qint8),
    "per channel, whole scales": per_channel(randn(2, 3), [1.0, 2.0], [0, 0], 0),
    "per channel, small scales": per_channel(randn(2, 3), [1e-6, 2.0], [0, 0], 0),
    "per channel, many": per_channel(randn(20, 2), [0.01 * (i + 1) for i in range(20)], list(range(20)), 0),
    "float qparams": per_channel(randn(2, 4), [0.1, 0.02], [7.5, 3.25], 0),
    "four bits": per_channel(randn(2, 4), [0.1, 0.02], [7.5, 3.25], 0, torch.quint4x2),
}

cases = []
for name, t in CASES.items():
    case = dict(name=name, dtype=str(t.dtype).split(".")[1], shape=list(t.shape), text=str(t))
    if t.qscheme() == torch.per_tensor_affine:
        case.update(scale=t.q_scale(), zeroPoint=t.q_zero_point())
    else:
        case.update(
            scales=t.q_per_channel_scales().tolist(),
            zeroPoints=t.q_per_channel_zero_points().tolist(),
            axis=t.q_per_channel_axis(),
            floatQparams=t.qscheme() == torch.per_channel_affine_float_qparams,
        )
    case["real"] = t.dequantize().reshape(-1).tolist()
    cases.append(case)

folder = os.path.join(HERE, "..", "..", "test", "golden", "quantized")
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "printing.json"), "w") as f:
    json.dump(dict(torch=torch.__version__, script="tools/golden/quantized_printing.py", cases=cases), f, separators=(",", ":"))
    f.write("\n")
print(f"quantized/printing: {len(cases)} cases")
