"""State dicts of quantized models as PyTorch saves them, for the reader of checkpoints.

Writes test/golden/checkpoints/quantized-<model>.pt (and -legacy.pt, in the format before zip archives) and quantized.safetensors:
`<model>/in/<i>` and `<model>/out`, what the model computes; and for every quantized tensor in the file `<model>/state/<key>`
(its integers), `/scales` and `/zero_points`, under the keys of Octet's state dicts.
"""
import os
import torch
import torch.ao.quantization as tq
from torch import nn
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from common import GOLDEN, save_safetensors

OUT = os.path.join(GOLDEN, "checkpoints")
torch.backends.quantized.engine = "qnnpack"  # exact on every machine


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = tq.QuantStub()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.skip = nn.quantized.FloatFunctional()
        self.fc = nn.Linear(4 * 4 * 4, 3)
        self.dequant = tq.DeQuantStub()

    def forward(self, x):
        x = self.relu1(self.conv1(self.quant(x)))
        x = self.skip.add(x, self.conv2(x))
        return self.dequant(self.fc(x.flatten(1)))


class Functional(nn.Module):
    """Whose weights FX packs into script objects of the graph module."""

    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(2, 2, 1, 1)), nn.Parameter(torch.randn(2))
        self.l = nn.Parameter(torch.randn(3, 2))

    def forward(self, x):
        x = nn.functional.conv2d(x, self.w, self.b, (1, 1), (0, 0), (1, 1), 1)
        return nn.functional.linear(x.flatten(1), self.l)


def static(backend):
    torch.manual_seed(3)
    model = tq.fuse_modules(Cnn().eval(), [["conv1", "relu1"]])
    model.qconfig = tq.get_default_qconfig(backend)
    prepared = tq.prepare(model)
    for _ in range(3):
        prepared(torch.randn(2, 2, 4, 4))
    return tq.convert(prepared), (torch.randn(2, 2, 4, 4),)


def dynamic():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    return tq.quantize_dynamic(model), (torch.randn(3, 5),)


def embedding(bits):
    torch.manual_seed(5)
    model = nn.Sequential(nn.EmbeddingBag(7, 6, mode="sum"))
    return tq.quantize_dynamic(model, dtype=torch.quint8 if bits == 8 else torch.quint4x2), (torch.randint(0, 7, (3, 4)),)


def recurrent(cls):
    torch.manual_seed(6)
    return tq.quantize_dynamic(nn.ModuleList([cls(3, 2)])), (torch.randn(4, 2, 3)[0] if cls is nn.GRUCell else torch.randn(4, 2, 3),)


def functional():
    torch.manual_seed(7)
    x = torch.randn(4, 2, 1, 1)
    prepared = prepare_fx(Functional().eval(), tq.get_default_qconfig_mapping("qnnpack"), (x,))
    prepared(x)
    return convert_fx(prepared), (x,)


def quantized_in(key, value):
    """The quantized tensors of an entry, with Octet's keys."""
    if isinstance(value, torch.ScriptObject):
        state = value.__getstate__()
        if isinstance(state[0], tuple):  # (state, class name)
            state = state[0]
        if isinstance(state[0], str) and state[0] == "2":  # a convolution
            state = (state[1][1], None)
        elif isinstance(state[0], str):  # a recurrent cell
            state = tuple(state[4])
        for i, item in enumerate(state):
            yield from quantized_in(f"{key}.{i}", item)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from quantized_in(f"{key}.{i}", item)
    elif isinstance(value, torch.Tensor) and value.is_quantized:
        yield key, value


models = {
    "per-tensor": static("qnnpack"),
    "per-channel": static("fbgemm"),
    "dynamic": dynamic(),
    "embedding8": embedding(8),
    "embedding4": embedding(4),
    "lstm": recurrent(nn.LSTM),
    "cell": recurrent(nn.GRUCell),
    "functional": functional(),
}
tensors = {}
for name, (model, inputs) in models.items():
    state = model.state_dict()
    torch.save(state, os.path.join(OUT, f"quantized-{name}.pt"))
    if name in ("per-channel", "embedding4"):
        torch.save(state, os.path.join(OUT, f"quantized-{name}-legacy.pt"), _use_new_zipfile_serialization=False)
    for key, value in state.items():
        for path, tensor in quantized_in(key, value):
            tensors[f"{name}/state/{path}"] = tensor.int_repr()
            if tensor.qscheme() == torch.per_tensor_affine:
                scales, zero_points = torch.tensor([tensor.q_scale()], dtype=torch.float64), torch.tensor([tensor.q_zero_point()])
            else:
                scales, zero_points = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
            tensors[f"{name}/scales/{path}"], tensors[f"{name}/zero_points/{path}"] = scales.clone(), zero_points.clone()
    tensors |= {f"{name}/in/{i}": x for i, x in enumerate(inputs)}
    out = model[0](*inputs) if isinstance(model, nn.ModuleList) else model(*inputs)
    tensors[f"{name}/out"] = (out[0] if isinstance(out, tuple) else out).detach()
save_safetensors(os.path.join(OUT, "quantized.safetensors"), tensors, dict(torch=torch.__version__))
for key, value in tensors.items():
    print(key, tuple(value.shape), value.dtype)
print(os.path.getsize(os.path.join(OUT, "quantized.safetensors")), [os.path.getsize(os.path.join(OUT, f)) for f in os.listdir(OUT) if f.startswith("quantized-")])
