"""Whole eager-mode flows on one small network, for engine qnnpack (exact on every machine) and onednn.

Writes test/golden/quantization/eager-flows.safetensors: `state/<key>` (float weights), `calibration` [8, 3, 16, 16],
`test` [4, 3, 16, 16], `float` (float outputs on `test`), and per flow `<engine>/<flow>/out` (PyTorch's int8 outputs,
dequantized), `<engine>/<flow>/qparams/<module>` ([scale, zero_point] of every converted module that has them) and
`<engine>/<flow>/weight/<module>` (int8 weights). The header's `flows` lists engine, flow and PyTorch's printed model.
"""
import json, os, sys
import torch
import torch.nn as nn
import torch.ao.quantization as tq
from common import GOLDEN, save_safetensors


class Net(nn.Module):
    """conv-bn-relu, a residual block with a depthwise convolution, pooling and a linear layer."""

    def __init__(self):
        super().__init__()
        self.quant = tq.QuantStub()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.skip = nn.quantized.FloatFunctional()
        self.conv3 = nn.Conv2d(8, 12, 1)
        self.relu3 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(12 * 8 * 8, 5)
        self.dequant = tq.DeQuantStub()

    def forward(self, x):
        x = self.quant(x)
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.skip.add(x, self.bn2(self.conv2(x)))
        x = self.pool(self.relu3(self.conv3(x)))
        return self.dequant(self.fc(x.flatten(1)))


FUSE = [["conv1", "bn1", "relu1"], ["conv2", "bn2"], ["conv3", "relu3"]]


def network():
    torch.manual_seed(7)
    net = Net()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.6, 1.4)
            nn.init.uniform_(m.bias, -0.3, 0.3)
            nn.init.uniform_(m.running_mean, -0.2, 0.2)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    return net


def collect(tensors, name, model, out):
    tensors[f"{name}/out"] = out
    for path, m in model.named_modules():
        if hasattr(m, "scale") and hasattr(m, "zero_point"):
            tensors[f"{name}/qparams/{path}"] = torch.tensor([float(m.scale), float(m.zero_point)], dtype=torch.float64)
        if callable(getattr(m, "weight", None)) and m.weight().is_quantized:
            tensors[f"{name}/weight/{path}"] = m.weight().int_repr()


net = network()
tensors = {f"state/{k}": v.clone() for k, v in net.state_dict().items()}
gen = torch.Generator().manual_seed(3)
calibration = torch.randn(8, 3, 16, 16, generator=gen)
test = torch.randn(4, 3, 16, 16, generator=gen)
tensors |= {"calibration": calibration, "test": test, "float": net.eval()(test).detach()}
flows = []
for engine in ("qnnpack", "onednn"):
    torch.backends.quantized.engine = engine
    # x86's qconfig keeps activations within 7 bits: onednn then cannot saturate on machines without VNNI.
    backend = "qnnpack" if engine == "qnnpack" else "x86"
    for flow in ("static", "qat"):
        model = network().train(flow == "qat")
        fuse = tq.fuse_modules_qat if flow == "qat" else tq.fuse_modules
        model = fuse(model, FUSE)
        model.qconfig = tq.get_default_qat_qconfig(backend, version=0) if flow == "qat" else tq.get_default_qconfig(backend)
        model = tq.prepare_qat(model) if flow == "qat" else tq.prepare(model.eval())
        for batch in calibration.split(4):
            model(batch)
        int8 = tq.convert(model.eval())
        name = f"{engine}/{flow}"
        collect(tensors, name, int8, int8(test))
        flows.append({"engine": engine, "backend": backend, "flow": flow, "printed": str(int8)})
torch.backends.quantized.engine = "qnnpack"
dynamic = tq.quantize_dynamic(nn.Sequential(network().eval().fc), {nn.Linear}, dtype=torch.qint8)
flat = torch.randn(6, 12 * 8 * 8, generator=gen)
tensors |= {"dynamic/in": flat, "dynamic/out": dynamic(flat)}

folder = os.path.join(GOLDEN, "quantization")
os.makedirs(folder, exist_ok=True)
path = os.path.join(folder, "eager-flows.safetensors")
save_safetensors(path, tensors, dict(torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}", flows=json.dumps(flows)))
print(len(tensors), "tensors", os.path.getsize(path) // 1024, "KiB")
