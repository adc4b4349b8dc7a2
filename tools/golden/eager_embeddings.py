"""Embeddings through eager mode: weight-only static, dynamic and trained, at 8 and 4 bits.

Writes test/golden/quantization/eager-embeddings.safetensors: the float tables `state/<key>`, `indices` [3, 4], `bag_indices`
[17], `offsets` [5], and for each flow of the header's `flows` `<flow>/<module>/ints` (int_repr), `/scales`, `/zero_points`
and `/out`; trained flows also have `/fake`, the fake-quantized output of the first training step, and `/trained`, the float
table after two. PyTorch's own 4-bit Embedding cannot look up (from_float drops the dtype), so its `out` comes from
embedding_4bit. `reference/<module>/out` is what reference modules give.
"""
import json, os, sys
import torch
import torch.ao.nn.quantized.reference as nnqr
import torch.nn as nn
import torch.ao.quantization as tq
from torch.ao.quantization import quantization_mappings as mappings
from common import GOLDEN, save_safetensors

torch.backends.quantized.engine = "qnnpack"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 8, padding_idx=2)
        self.bags = nn.EmbeddingBag(10, 6, mode="sum", include_last_offset=True)

    def forward(self, indices, bag_indices, offsets):
        return self.table(indices), self.bags(bag_indices, offsets)


def network():
    torch.manual_seed(11)
    return Net()


gen = torch.Generator().manual_seed(5)
net = network()
inputs = (torch.randint(0, 12, (3, 4), generator=gen), torch.randint(0, 10, (17,), generator=gen), torch.tensor([0, 4, 4, 9, 17]))
tensors = {f"state/{k}": v.clone() for k, v in net.state_dict().items()}
tensors |= dict(zip(("indices", "bag_indices", "offsets"), inputs))
flows = []


def look_up(model, bits):
    if bits == 4:
        one = torch.ops.quantized.embedding_4bit(model.table._packed_params._packed_weight, inputs[0])
        return one, model.bags(*inputs[1:])
    return model(*inputs)


def collect(flow, bits, model, names=("table", "bags")):
    outs = dict(zip(("table", "bags"), look_up(model, bits) if len(names) == 2 else (None, model.bags(*inputs[1:]))))
    for name in names:
        weight = getattr(model, name).weight()
        tensors[f"{flow}/{name}/ints"] = weight.int_repr()
        tensors[f"{flow}/{name}/scales"] = weight.q_per_channel_scales().clone()  # they lie in the packed weight, which dies with the model
        tensors[f"{flow}/{name}/zero_points"] = weight.q_per_channel_zero_points().clone()
        tensors[f"{flow}/{name}/out"] = outs[name]
    flows.append({"flow": flow, "bits": bits, "modules": names, "printed": str(model),
                  "keys": [k for k in model.state_dict() if not k.endswith("dtype")]})


def reference_of(module):
    """convert(is_reference=True) fails on embeddings in PyTorch, so this makes the reference module as FX would."""
    observer = tq.float_qparams_weight_only_qconfig.weight()
    observer(module.weight)
    scale, zero_point = observer.calculate_qparams()
    qparams = dict(qscheme=observer.qscheme, dtype=observer.dtype, scale=scale, zero_point=zero_point, axis=observer.ch_axis)
    return getattr(nnqr, type(module).__name__).from_float(module, qparams)


for bits in (8, 4):
    weight_only = tq.float_qparams_weight_only_qconfig if bits == 8 else tq.float_qparams_weight_only_qconfig_4bit
    model = network().eval()
    model.qconfig = weight_only
    prepared = tq.prepare(model)
    prepared(*inputs)
    collect(f"static{bits}", bits, tq.convert(prepared))
    if bits == 8:
        for name, used in (("table", inputs[:1]), ("bags", inputs[1:])):
            tensors[f"reference/{name}/out"] = reference_of(getattr(net, name))(*used).detach()
    dynamic = tq.quantize_dynamic(network(), dtype=torch.quint8 if bits == 8 else torch.quint4x2)
    collect(f"dynamic{bits}", bits, dynamic, ("table", "bags") if bits == 8 else ("bags",))

    model = network().train()
    model.qconfig = tq.default_embedding_qat_qconfig if bits == 8 else tq.default_embedding_qat_qconfig_4bit
    trained = tq.prepare_qat(model, mapping=mappings.get_embedding_qat_module_mappings())
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.25)
    for step in range(2):
        outs = trained(*inputs)
        if step == 0:
            for name, out in zip(("table", "bags"), outs):
                tensors[f"qat{bits}/{name}/fake"] = out.detach().clone()
        optimizer.zero_grad()
        sum((out * out).mean() for out in outs).backward()
        optimizer.step()
    for name in ("table", "bags"):
        tensors[f"qat{bits}/{name}/trained"] = getattr(trained, name).weight.detach().clone()
    converted = tq.convert(trained.eval(), mapping=mappings.get_embedding_static_quant_module_mappings())
    collect(f"qat{bits}", bits, converted)

path = os.path.join(GOLDEN, "quantization", "eager-embeddings.safetensors")
save_safetensors(path, tensors, dict(torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}", flows=json.dumps(flows)))
print(len(tensors), "tensors", os.path.getsize(path) // 1024, "KiB")
for f in flows: print(f)
