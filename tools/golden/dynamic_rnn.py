"""Dynamic quantized recurrent modules and linears under engine qnnpack, and reference recurrent modules.

Writes test/golden/quantization/dynamic-rnn.safetensors. The header's `cases` lists per case `name`; `module`, the class;
`args` and `kwargs` of the float constructor, under PyTorch's names; `form`, `dynamic` or `reference`; `dtype` of the weights;
`per_channel`; `states`, how many initial states are given (0 for none); `lengths` of the sequences of a packed batch, or null;
and `printed` (null for dynamic float16). Tensors:

    <case>/state/<key>    the float module's state dict
    <case>/in/x           the input, padded if the case is packed
    <case>/in/h<i>        initial states
    <case>/weight/<name>  integers of the quantized weight (of float16 ones: the float16 values)
    <case>/scale/<name>   its scale or scales
    <case>/out/<i>        outputs: the sequence (padded if packed), then the states; of cells, the states

PyTorch packs float16 weights only with FBGEMM, which this build lacks. Expected values of float16 cases are those of the float
module with its weights cut off at 65504 (PyTorch's own operator) and rounded to float16, which is what FBGEMM computes with.

`flow/…` is a small language model without an embedding (an LSTM and a Linear): `state/<key>`, `x` [30, 4, 24], `float`, `int8`,
`per_channel` (outputs of the float model and of both dynamic ones). `printed` in the header shows the int8 model. `trained/…`
is a Linear trained for dynamic quantization: `before` and `after`, the weight before and after a step, and `weight/weight` and
`scale/weight` of the converted module.
"""
import json, os, sys
import torch
import torch.nn as nn
import torch.ao.nn.qat.dynamic as nnqatd
import torch.ao.nn.quantized.reference as nnqr
import torch.ao.quantization as tq
from torch.ao.quantization.utils import get_qparam_dict
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from common import GOLDEN, save_safetensors

torch.backends.quantized.engine = "qnnpack"
FOLDER = os.environ.get("OCTET_GOLDEN", GOLDEN)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
tensors, cases = {}, []


def qconfig_for(dtype, per_channel):
    if dtype == torch.float16:
        return tq.float16_dynamic_qconfig
    return tq.per_channel_dynamic_qconfig if per_channel else tq.default_dynamic_qconfig


def rounded_to_float16(module):
    """The float module with the weights that FBGEMM would pack."""
    for key, weight in module.named_parameters():
        if key.startswith("weight"):
            weight.data = torch._saturate_weight_to_fp16(weight.data.clone()).half().float()
    return module


def reference(module, qconfig):
    qparams = {"is_decomposed": False}
    for key, weight in module.named_parameters():
        if not key.startswith("weight"):
            continue
        observer = qconfig.weight()
        if observer.dtype == torch.qint8:
            observer(weight)
        qparams[key] = get_qparam_dict(observer)
    return getattr(nnqr, type(module).__name__).from_float(module, qparams)


def weights_of(module):
    """Quantized weights by name."""
    if isinstance(module, (nnqr.LSTM, nnqr.GRU)):
        found = module.get_quantized_weight_bias_dict()
        return {k: v for k, v in found.items() if k.startswith("weight")}
    if hasattr(module, "get_quantized_weight_ih"):
        return {"weight_ih": module.get_quantized_weight_ih(), "weight_hh": module.get_quantized_weight_hh()}
    return {"weight": module.weight()} if hasattr(module, "weight") else module.get_weight()


def record_weight(case, key, weight):
    if not weight.is_quantized:
        tensors[f"{case}/weight/{key}"] = weight.half()
        return
    tensors[f"{case}/weight/{key}"] = weight.int_repr()
    per_channel = weight.qscheme() == torch.per_channel_affine
    scales = weight.q_per_channel_scales() if per_channel else torch.tensor([weight.q_scale()], dtype=torch.float64)
    tensors[f"{case}/scale/{key}"] = scales.clone()


def run(module, x, states, lengths, batch_first):
    hx = None if not states else tuple(states) if len(states) > 1 else states[0]
    if lengths:
        x = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
    out = module(x) if hx is None else module(x, hx)
    if isinstance(out, torch.Tensor):
        return [out]
    flat = [t for part in out for t in (part if type(part) is tuple else [part])]
    return [pad_packed_sequence(t, batch_first=batch_first)[0] if lengths and i == 0 else t for i, t in enumerate(flat)]


def case(name, module, args, shape, states=0, lengths=None, form="dynamic", dtype=torch.qint8, per_channel=False,
         scale=1.0, **kwargs):
    gen = torch.Generator().manual_seed(SEED + len(cases))
    torch.manual_seed(SEED + len(cases))
    float_module = getattr(nn, module)(*args, **kwargs).eval()
    x = torch.randn(shape, generator=gen) * scale
    if dtype == torch.float16:
        first = next(float_module.parameters())
        first.data[0, 0], first.data[1, 1], first.data[2, 0] = 1e5, -7e4, 3e-8  # beyond float16, and below its normals
    cell = module.endswith("Cell")
    hidden, batch = args[1], (lengths and len(lengths)) or shape[0 if cell or kwargs.get("batch_first") else 1]
    layers = kwargs.get("num_layers", 1) * (2 if kwargs.get("bidirectional") else 1)
    state_shape = (batch, hidden) if cell else (layers, batch, hidden)
    given = [torch.randn(state_shape, generator=gen) * 0.5 for _ in range(states)]
    tensors.update({f"{name}/state/{k}": v.clone() for k, v in float_module.state_dict().items()})
    tensors.update({f"{name}/in/x": x} | {f"{name}/in/h{i}": h for i, h in enumerate(given)})
    qconfig = qconfig_for(dtype, per_channel)
    if form == "reference":
        made = reference(float_module, qconfig)
    elif dtype == torch.float16:
        made = rounded_to_float16(float_module)
    else:
        made = tq.quantize_dynamic(nn.Sequential(float_module), {type(float_module): qconfig})[0]
    if form == "dynamic" and dtype == torch.float16:
        for key, weight in made.named_parameters():
            if key.startswith("weight"):
                record_weight(name, key, weight.detach())
    else:
        for key, weight in weights_of(made).items():
            record_weight(name, key, weight)
    with torch.no_grad():
        outputs = run(made, x, given, lengths, kwargs.get("batch_first", False))
    tensors.update({f"{name}/out/{i}": t.clone() for i, t in enumerate(outputs)})
    cases.append(dict(name=name, module=module, args=list(args), kwargs=kwargs, form=form, dtype=str(dtype)[6:],
                      per_channel=per_channel, states=states, lengths=lengths,
                      printed=None if form == "dynamic" and dtype == torch.float16 else str(made)))


for module, count in (("LSTM", 2), ("GRU", 1)):
    low = module.lower()
    case(f"{low}/plain", module, (7, 5), (6, 3, 7))
    case(f"{low}/states", module, (7, 5), (6, 3, 7), states=count)
    case(f"{low}/two-layers", module, (4, 8), (5, 2, 4), num_layers=2)
    case(f"{low}/bidirectional", module, (6, 4), (5, 3, 6), states=count, num_layers=2, bidirectional=True)
    case(f"{low}/batch-first", module, (6, 16), (2, 9, 6), states=count, batch_first=True)
    case(f"{low}/one-step", module, (3, 2), (1, 1, 3))
    case(f"{low}/large-input", module, (8, 6), (7, 2, 8), scale=50.0)
    case(f"{low}/dropout", module, (5, 4), (4, 2, 5), num_layers=2, dropout=0.5)
    case(f"{low}/packed", module, (5, 4), (6, 4, 5), lengths=[3, 6, 1, 4], num_layers=2)
    case(f"{low}/packed-both", module, (5, 4), (4, 6, 5), states=count, lengths=[6, 2, 5, 2], bidirectional=True,
         batch_first=True)
    case(f"{low}/per-channel", module, (7, 5), (6, 3, 7), states=count, per_channel=True)
    case(f"{low}/float16", module, (7, 5), (6, 3, 7), states=count, dtype=torch.float16, num_layers=2)
    case(f"{low}/reference", module, (7, 5), (6, 3, 7), states=count, form="reference", num_layers=2,
         bidirectional=True)
    case(f"{low}/reference-per-channel", module, (7, 5), (6, 3, 7), form="reference", per_channel=True)
    case(f"{low}/reference-float16", module, (7, 5), (6, 3, 7), form="reference", dtype=torch.float16)
for module, count, kwargs in (("LSTMCell", 2, {}), ("GRUCell", 1, {}), ("RNNCell", 1, {}),
                              ("RNNCell", 1, {"nonlinearity": "relu"})):
    low = "-".join([module.lower(), *kwargs.values()])
    case(f"{low}/plain", module, (7, 5), (4, 7), **kwargs)
    case(f"{low}/states", module, (7, 5), (4, 7), states=count, **kwargs)
    case(f"{low}/per-channel", module, (7, 5), (4, 7), states=count, per_channel=True, **kwargs)
    case(f"{low}/float16", module, (7, 5), (4, 7), states=count, dtype=torch.float16, **kwargs)
    case(f"{low}/reference", module, (7, 5), (4, 7), states=count, form="reference", **kwargs)
    case(f"{low}/reference-float16", module, (7, 5), (4, 7), form="reference", dtype=torch.float16, **kwargs)
case("linear/per-channel", "Linear", (9, 6), (5, 9), per_channel=True)
case("linear/float16", "Linear", (9, 6), (5, 9), dtype=torch.float16)
case("linear/float16-no-bias", "Linear", (9, 6), (5, 9), dtype=torch.float16, bias=False)


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(24, 64)
        self.decoder = nn.Linear(64, 24)

    def forward(self, x):
        return self.decoder(self.lstm(x)[0])


torch.manual_seed(SEED + 1000)
model = LanguageModel().eval()
x = torch.randn(30, 4, 24)
int8 = tq.quantize_dynamic(model)
per_channel = tq.quantize_dynamic(model, {nn.LSTM: tq.per_channel_dynamic_qconfig,
                                          nn.Linear: tq.per_channel_dynamic_qconfig})
with torch.no_grad():
    tensors.update({f"flow/state/{k}": v.clone() for k, v in model.state_dict().items()})
    tensors.update({"flow/x": x, "flow/float": model(x), "flow/int8": int8(x), "flow/per_channel": per_channel(x)})

linear = nn.Linear(6, 4)
linear.qconfig = tq.default_dynamic_qat_qconfig
trained = nnqatd.Linear.from_float(linear)
trained.train()
tensors["trained/before"] = trained.weight.detach().clone()
trained(torch.randn(3, 6))
trained.weight.data = trained.weight.data * 0.6 + 0.05
tensors["trained/after"] = trained.weight.detach().clone()
trained(torch.randn(3, 6))
converted = tq.convert(nn.Sequential(trained.eval()), tq.get_default_dynamic_quant_module_mappings())[0]
record_weight("trained", "weight", converted.weight())

path = os.path.join(FOLDER, "quantization", "dynamic-rnn.safetensors")
save_safetensors(path, tensors, {"torch": torch.__version__, "script": os.path.basename(__file__),
                                 "cases": json.dumps(cases), "printed": str(int8)})
print(path, len(cases), "cases", os.path.getsize(path), "bytes")
