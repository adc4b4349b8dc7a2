"""Eager-mode flows of models with an LSTM or a MultiheadAttention, for engine qnnpack (exact on every machine) and onednn.

Writes test/golden/quantization/eager-attention.safetensors. Per model `<model>/state/<key>` (float weights) and `<model>/in/<name>`
(inputs: calibration batches [2, ...] and `test`), `<model>/float` (float output on `test`). Per flow `<engine>/<model>/out` (what
enters the last dequantization, as integers), `.../qparams` ([scale, zero point] of it), `.../inner/<i>` (integers of what the LSTM
or the attention gives: output, h, c, or output, weights) and `.../observers` (one row [scale,
zero point] per observer of a whole tensor). The header's `flows` lists engine, model, the printed prepared and converted
models, their state-dict keys and the paths of the observers. Takes a seed as argument; OCTET_GOLDEN is another folder.

PyTorch 2.6 mixes up heads and positions with batch_first, and quantizes bias_v with the range of bias_k: models named
"batch-first" run with turned inputs here, and bias_v is quantized by its own range.
"""
import json, os, sys, warnings
import torch
import torch.nn as nn
import torch.ao.quantization as tq
from common import GOLDEN, save_safetensors, tensors_in

warnings.simplefilter("ignore")


class Classifier(nn.Module):
    """An LSTM, and a linear layer on its last output."""

    def __init__(self, batch_first=False, **options):
        super().__init__()
        self.quant = tq.QuantStub()
        self.lstm = nn.LSTM(6, 8, batch_first=batch_first, **options)
        self.fc = nn.Linear(16 if options.get("bidirectional") else 8, 3)
        self.dequant = tq.DeQuantStub()
        self.batch_first = batch_first

    def forward(self, x):
        y, _ = self.lstm(self.quant(x))
        return self.dequant(self.fc(y[:, -1] if self.batch_first else y[-1]))


class Block(nn.Module):
    """Attention with a residual connection and a linear layer."""

    def __init__(self, turned=False, cross=False, **options):
        super().__init__()
        self.quant = tq.QuantStub()
        self.memory_quant = tq.QuantStub()
        self.attention = nn.MultiheadAttention(8, 2, **options)
        self.skip = nn.quantized.FloatFunctional()
        self.fc = nn.Linear(8, 4)
        self.dequant = tq.DeQuantStub()
        self.turned, self.cross = turned, cross

    def forward(self, x, memory, padding, mask):
        x, memory = self.quant(x), self.memory_quant(memory)
        inputs = (x, memory, memory) if self.cross else (x, x, x)
        turn = lambda t: t.transpose(0, 1) if self.turned else t
        y, _ = self.attention(*map(turn, inputs), key_padding_mask=padding, attn_mask=mask, average_attn_weights=False)
        return self.dequant(self.fc(self.skip.add(x, turn(y))))


class SplitLSTM(nn.quantizable.LSTM):
    @classmethod
    def from_float(cls, other, qconfig=None):
        return super().from_float(other, qconfig, split_gates=True)


SPLIT = {"float_to_observed_custom_module_class": {nn.LSTM: SplitLSTM},
         "observed_to_quantized_custom_module_class": {SplitLSTM: nn.quantized.LSTM}}

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 7
generator = torch.Generator()
randn = lambda *shape: torch.randn(shape, generator=generator)


def attention_inputs(length, keys, features, batch=3, batch_first=False, heads=None):
    shape = lambda n, f: (batch, n, f) if batch_first else (n, batch, f)
    padding = torch.zeros(batch, keys, dtype=torch.bool)
    padding[1, -2:] = True
    mask = torch.zeros(length, keys, dtype=torch.bool).masked_fill(torch.arange(keys) > torch.arange(length)[:, None] + 1, True)
    if heads:
        mask = randn(batch * heads, length, keys)
    return {"x": randn(*shape(length, 8)), "memory": randn(*shape(keys, features)), "padding": padding, "mask": mask}


MODELS = {
    "lstm-batch-first": (lambda: Classifier(batch_first=True, num_layers=2, bidirectional=True), lambda: {"x": randn(4, 5, 6)}, "static"),
    "lstm-split": (lambda: Classifier(bias=False), lambda: {"x": randn(5, 4, 6)}, "split"),
    "lstm-qat": (lambda: Classifier(), lambda: {"x": randn(5, 4, 6)}, "qat"),
    "attention": (lambda: Block(), lambda: attention_inputs(5, 5, 8), "static"),
    "attention-batch-first": (lambda: Block(turned=True), lambda: attention_inputs(5, 5, 8, batch_first=True), "static"),
    "attention-cross": (lambda: Block(cross=True, kdim=6, vdim=6, add_bias_kv=True, add_zero_attn=True),
                        lambda: attention_inputs(4, 6, 6, heads=2), "static"),
}


def prepared(model, kind, backend):
    model.train(kind == "qat")
    model.qconfig = tq.get_default_qat_qconfig(backend, version=0) if kind == "qat" else tq.get_default_qconfig(backend)
    if kind == "qat":
        return tq.prepare_qat(model)
    return tq.prepare(model, prepare_custom_config_dict=SPLIT if kind == "split" else None)


def converted(model, kind):
    int8 = tq.convert(model.eval(), convert_custom_config_dict=SPLIT if kind == "split" else None)
    attention = getattr(int8, "attention", None)
    if attention is not None and attention.bias_v is not None:
        bias_v = model.attention.bias_v.detach()
        scale, zero_point = torch._choose_qparams_per_tensor(bias_v, reduce_range=False)
        attention.bias_v = torch.quantize_per_tensor(bias_v, scale, zero_point, torch.quint8)
    return int8


def observers(model):
    for path, m in model.named_modules():
        if path.endswith("activation_post_process") and not path.endswith("activation_post_process.activation_post_process"):
            scale, zero_point = m.calculate_qparams() if hasattr(m, "calculate_qparams") else ([], [])
            if len(scale) == 1:
                yield path, [float(scale), float(zero_point)]


def run(name, engine, tensors, flows):
    make, inputs_of, kind = MODELS[name]
    torch.backends.quantized.engine = engine
    torch.manual_seed(SEED)
    net = make().eval()
    if isinstance(net, Block):  # biases start as zeros
        nn.init.uniform_(net.attention.in_proj_bias, -0.5, 0.5)
        nn.init.uniform_(net.attention.out_proj.bias, -0.5, 0.5)
    generator.manual_seed(SEED + 4)
    batches = {key: inputs_of() for key in ("calibration0", "calibration1", "test")}
    tensors |= {f"{name}/state/{k}": v.clone() for k, v in net.state_dict().items()}
    tensors |= {f"{name}/in/{key}/{k}": v for key, batch in batches.items() for k, v in batch.items()}
    tensors[f"{name}/float"] = net(*batches["test"].values()).detach()
    # x86's qconfig keeps activations within 7 bits: onednn then cannot saturate on machines without VNNI.
    backend = "qnnpack" if engine == "qnnpack" else "x86"
    model = prepared(net, kind, backend)
    for key in ("calibration0", "calibration1"):
        model(*batches[key].values())
    int8 = converted(model, kind)
    seen = []
    int8.dequant.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    inner = []
    getattr(int8, "attention", getattr(int8, "lstm", None)).register_forward_hook(lambda _m, _a, out: inner.extend(tensors_in(out)))
    int8(*batches["test"].values())
    rows = dict(observers(model))
    tensors[f"{engine}/{name}/out"] = seen[0].int_repr()
    tensors |= {f"{engine}/{name}/inner/{i}": t.int_repr() for i, t in enumerate(inner)}
    tensors[f"{engine}/{name}/qparams"] = torch.tensor([seen[0].q_scale(), seen[0].q_zero_point()], dtype=torch.float64)
    tensors[f"{engine}/{name}/observers"] = torch.tensor(list(rows.values()), dtype=torch.float64)
    flows.append({"engine": engine, "backend": backend, "model": name, "kind": kind,
                  "inputs": list(batches["test"]), "prepared": str(model), "converted": str(int8), "observers": list(rows),
                  "prepared_keys": list(model.state_dict()), "converted_keys": list(int8.state_dict())})


tensors, flows = {}, []
for engine in ("qnnpack", "onednn"):
    for name in MODELS:
        run(name, engine, tensors, flows)
folder = os.path.join(os.environ.get("OCTET_GOLDEN", GOLDEN), "quantization")
os.makedirs(folder, exist_ok=True)
path = os.path.join(folder, "eager-attention.safetensors")
save_safetensors(path, tensors, dict(torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}", flows=json.dumps(flows)))
print(len(tensors), "tensors", os.path.getsize(path) // 1024, "KiB")
