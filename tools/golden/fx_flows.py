"""Graph-mode quantization of small networks: prepared and converted node lists, qparams, int8 outputs.

Writes test/golden/quantization/fx-flows.safetensors. Per network `<net>/state/<key>` (float weights), `<net>/in/<i>` (inputs,
used for calibration and test alike), `<net>/float/<i>`; per flow (network and engine) `<net>/<engine>/out/<i>` (PyTorch's
outputs, dequantized) and `<net>/<engine>/qparams/<buffer>`. The header's `flows` lists, per flow, net, engine, backend (whose
default qconfigs are used), the error if PyTorch fails, `observers` (class by attribute, shared ones under the first name) and the nodes (op, name, target) of
`prepared`, `reference` and `converted`.
"""
import copy, json, operator, os, sys, warnings
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.ao.nn.quantized as nnq
import torch.ao.quantization as tq
from torch.ao.quantization import QConfigMapping, quantize_fx as fx
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig, ConvertCustomConfig
from torch.fx.node import _get_qualified_name
from common import GOLDEN, save_safetensors

warnings.filterwarnings("ignore")


class ConvBnRelu(nn.Module):
    def __init__(self, rank):
        super().__init__()
        self.conv = getattr(nn, f"Conv{rank}d")(3, 6, 3, padding=1)
        self.bn = getattr(nn, f"BatchNorm{rank}d")(6)
        self.relu = nn.ReLU()
        self.conv2 = getattr(nn, f"Conv{rank}d")(6, 4, 3, stride=2, groups=2)

    def forward(self, x):
        return self.conv2(self.relu(self.bn(self.conv(x))))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.down = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y = F.relu(y + self.down(x))
        y = torch.flatten(self.pool(y), 1)
        return self.fc(y)


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.Hardswish(),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(12, 5))

    def forward(self, x):
        x = self.features(x)
        x = x.mean([2, 3])
        return self.classifier(x)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(6, 3, 3, 3) * 0.2)
        self.b1 = nn.Parameter(torch.randn(6) * 0.1)
        self.w2 = nn.Parameter(torch.randn(5, 6) * 0.3)
        self.b2 = nn.Parameter(torch.randn(5) * 0.1)

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.w1, self.b1, (1, 1), (1, 1), (1, 1), 1))
        x = F.max_pool2d(x, 2)
        x = F.adaptive_avg_pool2d(x, 1)
        x = x.view(-1, 6)
        return F.linear(x, self.w2, self.b2)


class CatAdd(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(3, 4, 1)
        self.c = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        joined = torch.cat([a, b], dim=1)
        y = self.c(joined)
        y = y + joined
        y = y * 0.5
        y = y + 1.5
        return y * joined


class AddRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        y = self.relu(a + b)
        z = F.relu(a * b)
        z += y
        return torch.matmul(z, y.transpose(2, 3))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x, h, c):
        out, (hn, cn) = self.lstm(x, (h, c))
        return self.fc(out)


class DynamicLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        out, _ = self.lstm(x)
        return F.relu(self.fc(out))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(8, 8)
        self.k = nn.Linear(8, 8)
        self.v = nn.Linear(8, 8)
        self.out = nn.Linear(8, 8)
        self.softmax = nn.Softmax(dim=-1)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = torch.matmul(q, k.transpose(1, 2)) * 0.35
        y = torch.matmul(self.softmax(scores), v)
        return self.norm(x + self.out(y))


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.emb(x))


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.EmbeddingBag(20, 8, mode="sum", include_last_offset=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x, offsets):
        return self.fc(self.emb(x, offsets))


class Partial(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.block = Residual()
        self.block.conv1 = nn.Conv2d(4, 8, 3, padding=1, bias=False)
        self.head = nn.Linear(5, 3)
        self.tail = nn.Linear(3, 2)

    def forward(self, x):
        x = self.conv2(F.relu(self.conv1(x)))
        x = self.block(x)
        return self.tail(F.relu(self.head(x)))


class Shapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(64, 6)

    def forward(self, x):
        x = self.conv(x)
        x = x.permute(0, 2, 3, 1).contiguous()
        x = x.reshape(x.size(0), -1, 16)
        x = x.unsqueeze(1).squeeze(1).transpose(1, 2)
        x = x.reshape(x.shape[0], -1, 64)
        return self.fc(x)


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.fc2 = nn.Linear(6, 6)
        self.sigmoid = nn.Sigmoid()
        self.hs = nn.Hardsigmoid()

    def forward(self, x):
        a = self.sigmoid(self.fc(x))
        b = torch.tanh(self.fc2(a))
        return self.hs(b) * torch.sigmoid(b)


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.bn2 = nn.BatchNorm2d(3)
        self.relu = nn.ReLU()
        self.inorm = nn.InstanceNorm2d(4, affine=True)
        self.ln = nn.LayerNorm([8])

    def forward(self, x):
        x = self.relu(self.bn(x))
        x = self.bn2(x)
        return self.ln(self.inorm(self.conv(x)))


class Activations(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.elu = nn.ELU()
        self.leaky = nn.LeakyReLU(0.1)
        self.hardtanh = nn.Hardtanh()
        self.gelu = nn.GELU()
        self.conv2 = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.leaky(self.elu(self.conv(x)))
        x = F.hardswish(x)
        x = F.leaky_relu(x, 0.2)
        x = self.hardtanh(x)
        x = self.conv2(self.gelu(x))
        return torch.clamp(x, -0.5, 0.8)


class Pools(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.avg = nn.AvgPool2d(2)
        self.maxp = nn.MaxPool2d(3, stride=1, padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.ps = nn.PixelShuffle(2)

    def forward(self, x):
        x = self.maxp(self.avg(self.conv(x)))
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.ps(x)


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return F.relu(self.conv(x))


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.blocks = nn.Sequential(Inner(), Inner())
        self.head = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(self.conv(x))


class Outputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 4)
        self.b = nn.Linear(6, 4)

    def forward(self, x, y):
        a = self.a(x)
        b = self.b(y)
        return {"sum": a + b, "parts": (a, b), "input": x}


class Transposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.up = nn.ConvTranspose2d(4, 3, 3, stride=2)
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn(self.up(self.conv(x)))


class LinearBn(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.bn = nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 8)
        self.relu = nn.ReLU()
        self.fc3 = nn.Linear(8, 3)

    def forward(self, x):
        x = self.bn(self.fc1(x))
        x = self.relu(self.fc2(x))
        return self.fc3(x)


class DynamicLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.w = nn.Parameter(torch.randn(5, 8) * 0.3)
        self.b = nn.Parameter(torch.randn(5) * 0.1)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        return F.relu(F.linear(x, self.w, self.b))


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTMCell(6, 8)
        self.gru = nn.GRUCell(8, 8)

    def forward(self, x, h, c):
        h, c = self.lstm(x, (h, c))
        return self.gru(h, c)


class FloatFunctional(nn.Module):
    def __init__(self):
        super().__init__()
        self.ff = nn.quantized.FloatFunctional()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        y = self.ff.add_relu(x, x)
        return self.ff.cat([x, y], dim=1)


class Custom(nn.Module):
    """A class of its own that is quantized as a custom module."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x):
        return self.linear(x)


class ObservedCustom(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        return self.linear(x)

    @classmethod
    def from_float(cls, module):
        made = cls(module.linear)
        made.qconfig = module.qconfig
        return made


class QuantizedCustom(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        return self.linear(x)

    @classmethod
    def from_observed(cls, module):
        module.linear.qconfig = module.qconfig
        module.linear.activation_post_process = module.activation_post_process
        return cls(nnq.Linear.from_float(module.linear))


class WithCustom(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.custom = Custom()
        self.fc2 = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc2(self.custom(self.fc(x)))


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 6)
        self.static = nn.Linear(6, 8)
        self.dynamic = nn.Linear(8, 8)
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        x = self.static(self.emb(x))
        return self.last(self.dynamic(x))


def default(backend):
    return tq.get_default_qconfig_mapping(backend)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def integers(*shape, high=20):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(1))


image = lambda: (rand(2, 3, 8, 8),)
row = lambda: (rand(4, 6),)
dynamic_mapping = lambda backend: QConfigMapping().set_global(tq.default_dynamic_qconfig)


def partial_mapping(backend):
    q = tq.get_default_qconfig(backend)
    return (
        default(backend)
        .set_object_type(nn.Linear, None)
        .set_module_name_regex(r"hea.*", q)
        .set_module_name("block.conv2", None)
        .set_module_name_object_type_order("block", F.relu, 1, None)
    )


def null_global(backend):
    q = tq.get_default_qconfig(backend)
    return QConfigMapping().set_object_type(nn.Conv2d, q).set_object_type("reshape", q)


def mixed_mapping(backend):
    return (
        default(backend)
        .set_module_name("emb", tq.float_qparams_weight_only_qconfig)
        .set_module_name("dynamic", tq.default_dynamic_qconfig)
        .set_module_name("last", None)
    )


def custom_prepare(_):
    return PrepareCustomConfig().set_float_to_observed_mapping(Custom, ObservedCustom)


custom_convert = ConvertCustomConfig().set_observed_to_quantized_mapping(ObservedCustom, QuantizedCustom)
lstm_prepare = lambda _: PrepareCustomConfig().set_float_to_observed_mapping(nn.LSTM, torch.ao.nn.quantizable.LSTM)
lstm_convert = ConvertCustomConfig().set_observed_to_quantized_mapping(torch.ao.nn.quantizable.LSTM, torch.ao.nn.quantized.LSTM)
standalone_float = lambda _: PrepareCustomConfig().set_standalone_module_name("blocks.0", None, (rand(1, 4, 8, 8),), None, None)
standalone_quantized = lambda _: PrepareCustomConfig().set_standalone_module_class(
    Inner, None, (rand(1, 4, 8, 8),), PrepareCustomConfig().set_input_quantized_indexes([0]).set_output_quantized_indexes([0]), None
)
quantized_io = lambda _: PrepareCustomConfig().set_output_quantized_indexes([0])
non_traceable = lambda _: PrepareCustomConfig().set_non_traceable_module_classes([Inner])

# name: (network, inputs, mapping, prepare config, convert config, qat)
both = ("qnnpack", "onednn")
NETS = {
    "conv-bn-relu-1d": (lambda: ConvBnRelu(1), lambda: (rand(2, 3, 16),), default, None, None, False, both),
    "conv-bn-relu-2d": (lambda: ConvBnRelu(2), image, default, None, None, False, both),
    "conv-bn-relu-3d": (lambda: ConvBnRelu(3), lambda: (rand(1, 3, 6, 6, 6),), default, None, None, False, both),
    "residual": (Residual, image, default, None, None, False, both),
    "depthwise": (Depthwise, image, default, None, None, False, both),
    "functional": (Functional, image, default, None, None, False, both),
    "cat-add": (CatAdd, image, default, None, None, False, both),
    "add-relu": (AddRelu, image, default, None, None, False, both),
    "lstm-custom": (Lstm, lambda: (rand(5, 2, 6), rand(1, 2, 8, seed=2), rand(1, 2, 8, seed=3)), default, lstm_prepare, lstm_convert, False, both),
    "lstm-dynamic": (DynamicLstm, lambda: (rand(2, 5, 6),), dynamic_mapping, None, None, False, ("qnnpack",)),
    "attention": (Attention, lambda: (rand(2, 5, 8),), default, None, None, False, both),
    "embedding": (Embedded, lambda: (integers(3, 4),), mixed_mapping, None, None, False, both),
    "embedding-bag": (Bag, lambda: (integers(10), torch.tensor([0, 4, 10])), mixed_mapping, None, None, False, both),
    "partial": (Partial, lambda: (rand(2, 3, 12, 12),), partial_mapping, None, None, False, both),
    "null-global": (Shapes, image, null_global, None, None, False, both),
    "shapes": (Shapes, image, default, None, None, False, both),
    "fixed-qparams": (Fixed, row, default, None, None, False, both),
    "norms": (Norms, image, default, None, None, False, both),
    "activations": (Activations, image, default, None, None, False, both),
    "pools": (Pools, image, default, None, None, False, both),
    "nested": (Nested, image, default, None, None, False, both),
    "shared-module": (Shared, image, default, None, None, False, both),
    "standalone-float": (Nested, image, default, standalone_float, None, False, both),
    "standalone-quantized": (Nested, image, default, standalone_quantized, None, False, both),
    "non-traceable": (Nested, image, default, non_traceable, None, False, both),
    "quantized-output": (LinearBn, row, default, quantized_io, None, False, both),
    "outputs": (Outputs, lambda: (rand(4, 6), rand(4, 6, seed=5)), default, None, None, False, both),
    "transposed": (Transposed, image, lambda b: QConfigMapping().set_global(tq.default_qconfig), None, None, False, both),
    "linear-bn": (LinearBn, row, default, None, None, False, both),
    "dynamic-linear": (DynamicLinear, row, dynamic_mapping, None, None, False, ("qnnpack",)),
    "float16-dynamic": (DynamicLinear, row, lambda b: QConfigMapping().set_global(tq.float16_dynamic_qconfig), None, None, False, ("qnnpack",)),
    "cells-dynamic": (Cells, lambda: (rand(4, 6), rand(4, 8, seed=2), rand(4, 8, seed=3)), dynamic_mapping, None, None, False, ("qnnpack",)),
    "float-functional": (FloatFunctional, image, default, None, None, False, both),
    "custom-module": (WithCustom, row, default, custom_prepare, custom_convert, False, both),
    "mixed": (Mixed, lambda: (integers(3, 4),), mixed_mapping, None, None, False, ("qnnpack",)),
    "qat-residual": (Residual, image, tq.get_default_qat_qconfig_mapping, None, None, True, both),
    "qat-conv-bn-relu": (lambda: ConvBnRelu(2), image, tq.get_default_qat_qconfig_mapping, None, None, True, both),
    "qat-linear-bn": (LinearBn, row, tq.get_default_qat_qconfig_mapping, None, None, True, both),
}


def network(make):
    torch.manual_seed(11)
    net = make()
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.uniform_(m.weight, 0.6, 1.4)
            nn.init.uniform_(m.bias, -0.3, 0.3)
            nn.init.uniform_(m.running_mean, -0.2, 0.2)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    return net


def target_of(node):
    return node.target if isinstance(node.target, str) else _get_qualified_name(node.target)


def nodes_of(model):
    return [[n.op, n.name, target_of(n)] for n in model.graph.nodes]


def flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in flat(v)]
    return [value.dequantize() if value.is_quantized else value]


def observers_of(model):
    return {n.target: type(getattr(model, n.target)).__name__ for n in model.graph.nodes if n.op == "call_module" and n.target.startswith("activation_post_process_")}


tensors, flows = {}, []
for name, (make, inputs, mapping, custom, convert_config, qat, engines) in NETS.items():
    net = network(make).eval()
    args = inputs()
    tensors |= {f"{name}/state/{k}": v.clone() for k, v in net.state_dict().items()}
    tensors |= {f"{name}/in/{i}": x for i, x in enumerate(args)}
    tensors |= {f"{name}/float/{i}": x.detach().clone() for i, x in enumerate(flat(net(*args)))}
    for engine in engines:
        torch.backends.quantized.engine = engine
        # x86's qconfigs keep activations within 7 bits: onednn then cannot saturate on machines without VNNI.
        backend = "qnnpack" if engine == "qnnpack" else "x86"
        flow = {"net": name, "engine": engine, "backend": backend}
        try:
            model = network(make).train(qat)
            prepare = fx.prepare_qat_fx if qat else fx.prepare_fx
            prepared = prepare(model, mapping(backend), args, prepare_custom_config=custom(backend) if custom else None)
            flow["prepared"] = nodes_of(prepared)
            flow["observers"] = observers_of(prepared)
            with torch.no_grad():
                prepared(*args)
            if qat:
                prepared.eval()
            reference = fx.convert_to_reference_fx(copy.deepcopy(prepared), convert_custom_config=convert_config)
            flow["reference"] = nodes_of(reference)
            for i, out in enumerate(flat(reference(*args))):
                tensors[f"{name}/{engine}/reference/{i}"] = out.detach().clone().contiguous()
            converted = fx.convert_fx(prepared, convert_custom_config=convert_config)
            flow["converted"] = nodes_of(converted)
            for i, out in enumerate(flat(converted(*args))):
                tensors[f"{name}/{engine}/out/{i}"] = out.detach().clone().contiguous()
            for key, buffer in converted.named_buffers():
                if "scale" in key or "zero_point" in key:
                    tensors[f"{name}/{engine}/qparams/{key}"] = buffer.detach().clone().to(torch.float64)
        except Exception as error:
            flow["error"] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            print(name, engine, flow["error"])
        flows.append(flow)

path = os.path.join(GOLDEN, "quantization", "fx-flows.safetensors")
meta = dict(torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}", flows=json.dumps(flows))
save_safetensors(path, tensors, meta)
print(len(flows), "flows,", len(tensors), "tensors,", os.path.getsize(path) // 1024, "KiB")
