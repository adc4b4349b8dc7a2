"""Eager mode on a small network of activations and normalizations, for engines qnnpack and onednn; and every quantized module of
them by itself.

Writes test/golden/quantization/eager-activations.safetensors. Of the network: `state/<key>`, `calibration` [8, 3, 12, 12],
`test` [4, 3, 12, 12], `float` (float outputs on `test`), and per engine `<engine>/qparams/<module>` ([scale, zero_point]),
`<engine>/in/<module>` and `<engine>/out/<module>` (integers that went into and came out of each converted module on `test`, with
the input's qparams as `<engine>/in/<module>/qparams`). The header's `printed` holds PyTorch's printed model per engine.

The header's `modules` lists what converted modules of each class print and which keys their state dicts have.
"""
import json, os, sys, warnings
import torch
import torch.nn as nn
import torch.ao.nn.quantized as nnq
import torch.ao.nn.intrinsic.quantized as nniq
import torch.ao.quantization as tq
from common import GOLDEN, save_safetensors

warnings.simplefilter("ignore")


class Net(nn.Module):
    """PReLU starts at 1.5: the observer of a smaller slope makes a grid that does not reach 1, by which PyTorch's operator
    multiplies positive values."""

    def __init__(self):
        super().__init__()
        self.quant = tq.QuantStub()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.hardswish = nn.Hardswish()
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.bn2 = nn.BatchNorm2d(8)
        self.elu = nn.ELU(0.7)
        self.group_norm = nn.GroupNorm(2, 8)
        self.leaky_relu = nn.LeakyReLU(0.2)
        self.instance_norm = nn.InstanceNorm2d(8, affine=True)
        self.prelu = nn.PReLU(init=1.5)
        self.relu6 = nn.ReLU6()
        self.pool = nn.AvgPool2d(2)
        self.dropout = nn.Dropout()
        self.layer_norm = nn.LayerNorm([6])
        self.fc = nn.Linear(8 * 6 * 6, 5)
        self.sigmoid = nn.Sigmoid()  # gives all 8 bits: no layer with a weight may follow on onednn
        self.softmax = nn.Softmax(1)
        self.dequant = tq.DeQuantStub()

    def forward(self, x):
        x = self.hardswish(self.conv(self.quant(x)))
        x = self.relu(self.bn(x))
        x = self.elu(self.bn2(x))
        x = self.leaky_relu(self.group_norm(x))
        x = self.prelu(self.instance_norm(x))
        x = self.dropout(self.pool(self.relu6(x)))
        x = self.fc(self.layer_norm(x).flatten(1))
        return self.dequant(self.softmax(self.sigmoid(x)))


FUSE = [["bn", "relu"]]


def randomize(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)):
            nn.init.uniform_(m.weight, 0.6, 1.4)
            nn.init.uniform_(m.bias, -0.3, 0.3)
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.running_mean, -0.2, 0.2)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    return net


def network():
    torch.manual_seed(11)
    return randomize(Net()).eval()


def record(tensors, prefix, model, x):
    """Runs the model on x, and keeps the integers around every module."""

    def keep(path):
        def hook(_module, inputs, output):
            if inputs[0].is_quantized:
                tensors[f"{prefix}/in/{path}"] = inputs[0].int_repr().contiguous()
                qparams = [inputs[0].q_scale(), float(inputs[0].q_zero_point())]
                tensors[f"{prefix}/in/{path}/qparams"] = torch.tensor(qparams, dtype=torch.float64)
            if output.is_quantized:
                tensors[f"{prefix}/out/{path}"] = output.int_repr().contiguous()
            else:
                tensors[f"{prefix}/float/{path}"] = output
        return hook

    for path, module in model.named_children():
        module.register_forward_hook(keep(path))
        if hasattr(module, "scale"):
            tensors[f"{prefix}/qparams/{path}"] = torch.tensor([float(module.scale), float(module.zero_point)], dtype=torch.float64)
    model(x)


def flows(tensors):
    gen = torch.Generator().manual_seed(5)
    calibration, test = torch.randn(8, 3, 12, 12, generator=gen), torch.randn(4, 3, 12, 12, generator=gen)
    tensors |= {f"state/{k}": v.clone() for k, v in network().state_dict().items()}
    tensors |= {"calibration": calibration, "test": test, "float": network()(test).detach()}
    printed = {}
    for engine in ("qnnpack", "onednn"):
        torch.backends.quantized.engine = engine
        # x86's qconfig keeps activations within 7 bits: onednn then cannot saturate on machines without VNNI.
        model = tq.fuse_modules(network(), FUSE)
        model.qconfig = tq.get_default_qconfig("qnnpack" if engine == "qnnpack" else "x86")
        # Slopes are quint8, and observers per channel do not take a vector.
        model.prelu.qconfig = tq.QConfig(model.qconfig.activation, tq.default_observer)
        # Softmax is in none of the defaults.
        prepared = tq.prepare(model, allow_list=tq.get_default_qconfig_propagation_list() | {nn.Softmax})
        for batch in calibration.split(4):
            prepared(batch)
        int8 = tq.convert(prepared, mapping=tq.get_default_static_quant_module_mappings() | {nn.Softmax: nnq.Softmax})
        printed[engine] = str(int8)
        record(tensors, engine, int8, test)
    return printed


def parameter(*shape):
    return nn.Parameter(torch.ones(shape))


def modules():
    """[how Octet makes it, printed, keys of its state dict]."""
    two = (parameter(4), parameter(4))
    made = {
        "ReLU6": nnq.ReLU6(), "ReLU6 inplace": nnq.ReLU6(True), "Hardswish": nnq.Hardswish(0.1, 3), "ELU": nnq.ELU(0.1, 3, 0.7),
        "LeakyReLU": nnq.LeakyReLU(0.1, 3, 0.2), "LeakyReLU inplace": nnq.LeakyReLU(0.1, 3, 0.2, True), "Sigmoid": nnq.Sigmoid(0.1, 3),
        "Softmax": nnq.Softmax(1, 0.1, 3), "Softmax of no dim": nnq.Softmax(), "PReLU": nnq.PReLU(0.1, 3, 2), "Dropout": nnq.Dropout(0.3),
        "BatchNorm2d": nnq.BatchNorm2d(3), "BatchNorm3d": nnq.BatchNorm3d(3, eps=1e-3), "BNReLU2d": nniq.BNReLU2d(3), "BNReLU3d": nniq.BNReLU3d(3),
        "LayerNorm": nnq.LayerNorm([4], *two, 0.1, 3), "LayerNorm plain": nnq.LayerNorm([4, 5], None, None, 0.1, 3, 1e-5, False),
        "GroupNorm": nnq.GroupNorm(2, 4, *two, 0.1, 3), "GroupNorm plain": nnq.GroupNorm(2, 4, None, None, 0.1, 3, 1e-5, False),
        "InstanceNorm1d": nnq.InstanceNorm1d(4, None, None, 0.1, 3), "InstanceNorm2d": nnq.InstanceNorm2d(4, *two, 0.1, 3, affine=True),
        "InstanceNorm3d": nnq.InstanceNorm3d(4, None, None, 0.1, 3, eps=1e-3),
        "ConvAdd2d": nniq.ConvAdd2d(2, 3, 3), "ConvAddReLU2d": nniq.ConvAddReLU2d(2, 3, 3, padding=1),
        "LinearLeakyReLU": nniq.LinearLeakyReLU(2, 3, 0.2), "LinearTanh": nniq.LinearTanh(2, 3),
    }
    return {name: dict(printed=repr(m), state=list(m.state_dict())) for name, m in made.items()}


def conv_adds(tensors):
    """ConvAdd2d and ConvAddReLU2d, calibrated and converted, on engine onednn. What they saw and gave is kept."""
    import torch.ao.nn.intrinsic as nni
    torch.backends.quantized.engine = "onednn"
    gen = torch.Generator().manual_seed(9)
    for name, make in (("ConvAdd2d", lambda conv: nni.ConvAdd2d(conv, torch.add)),
                       ("ConvAddReLU2d", lambda conv: nni.ConvAddReLU2d(conv, torch.add, nn.ReLU()))):
        torch.manual_seed(3)
        conv = nn.Conv2d(4, 6, 3, padding=1)
        x, addend = torch.randn(2, 4, 7, 7, generator=gen), torch.randn(2, 6, 7, 7, generator=gen)
        fused = make(conv).eval()
        fused.qconfig = tq.get_default_qconfig("x86")
        prepared = tq.prepare(nn.ModuleList([fused]).eval())[0]
        prepared(x, addend)
        int8 = tq.convert(nn.ModuleList([prepared]))[0]
        qx = torch.quantize_per_tensor(x, 0.05, 60, torch.quint8)
        qa = torch.quantize_per_tensor(addend, 0.04, 100, torch.quint8)
        # The addend's memory is overwritten.
        given = qa.clone().contiguous(memory_format=torch.channels_last)
        tensors |= {f"add/{name}/{k}": v for k, v in dict(
            weight=conv.weight.detach(), bias=conv.bias.detach(), x=x, addend=addend, qx=qx.int_repr(), qaddend=qa.int_repr(),
            out=int8(qx, given).int_repr().contiguous(), qparams=torch.tensor([float(int8.scale), float(int8.zero_point)], dtype=torch.float64)).items()}


if __name__ == "__main__":
    tensors = {}
    printed = flows(tensors)
    conv_adds(tensors)
    path = os.path.join(GOLDEN, "quantization", "eager-activations.safetensors")
    save_safetensors(path, tensors, dict(torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}",
                                         printed=json.dumps(printed), modules=json.dumps(modules())))
    print(len(tensors), "tensors", os.path.getsize(path) // 1024, "KiB")
