"""Writes test/golden/checkpoints/: files as PyTorch and NumPy themselves write them, for the readers in src/io.

- cnn.pt, cnn-legacy.pt, lstm.pt, lstm-legacy.pt: state dicts, in the zip and the legacy format; expected.safetensors has
  `<model>/state/<key>`, `<model>/input` and `<model>/output/<i>` (eval mode).
- training.pt, training-legacy.pt: a training state with nested containers and every dtype; training.safetensors has its
  tensors by path.
- numpy/*.npy, arrays.npz, arrays-compressed.npz: NumPy arrays of every dtype; numpy.safetensors has the values.
- malicious-*.pt: checkpoints that run code when unpickled without restrictions. What they would run is harmless.
"""
import builtins, collections, io, os, pickle, zipfile
import numpy as np
import torch
from torch import nn
from common import GOLDEN, save_safetensors

OUT = os.path.join(GOLDEN, "checkpoints")


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False)
        self.fc = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv1(x)))
        return self.fc(self.conv2(x).flatten(1))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 7, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(14, 4)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return self.fc(out), h, c


def save_both(value, name):
    torch.save(value, os.path.join(OUT, f"{name}.pt"))
    torch.save(value, os.path.join(OUT, f"{name}-legacy.pt"), _use_new_zipfile_serialization=False)


def write_models():
    torch.manual_seed(0)
    expected = {}
    cnn, lstm = Cnn(), Lstm()
    for _ in range(3):
        cnn(torch.randn(4, 3, 8, 8))  # moves the running statistics
    for name, model, example in (("cnn", cnn, torch.randn(2, 3, 8, 8)), ("lstm", lstm, torch.randn(2, 5, 6))):
        model.eval()
        save_both(model.state_dict(), name)
        with torch.no_grad():
            outputs = model(example)
        for key, value in model.state_dict().items():
            expected[f"{name}/state/{key}"] = value
        expected[f"{name}/input"] = example
        for i, value in enumerate(outputs if isinstance(outputs, tuple) else (outputs,)):
            expected[f"{name}/output/{i}"] = value
    save_safetensors(os.path.join(OUT, "expected.safetensors"), expected, dict(torch=torch.__version__))
    return cnn


def write_training(cnn):
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(cnn.fc.parameters(), lr=1e-3, betas=(0.9, 0.99))
    cnn(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    shared = torch.arange(12, dtype=torch.float32)
    tagged = torch.ones(2)
    tagged.note = "an attribute"
    tensors = {
        "float64": torch.tensor([0.1, -1e300], dtype=torch.float64),
        "float16": torch.tensor([1.5, -65504, 6e-8, float("inf")], dtype=torch.float16),
        "bfloat16": torch.tensor([1.5, -3e38, 1e-40, float("nan")], dtype=torch.bfloat16),
        "int64": torch.tensor([2**53 - 1, -(2**53) + 1, 2**32, -1]),
        "int32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "int16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "uint16": torch.tensor([0, 65535], dtype=torch.uint16),
        "uint32": torch.tensor([0, 4294967295], dtype=torch.uint32),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "shared": shared,
        "shared_tail": shared[8:],
        "shared_matrix": shared.view(3, 4),
        "transposed": shared.view(3, 4).t(),
        "strided": shared.view(3, 4)[1:, ::2],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
        "channels_last": torch.randn(1, 2, 2, 3).contiguous(memory_format=torch.channels_last),
        "parameter": nn.Parameter(torch.randn(2)),
        "frozen_parameter": nn.Parameter(torch.ones(1), requires_grad=False),
        "buffer": nn.Buffer(torch.ones(1)),
        "tagged": tagged,
        "needs_grad": torch.ones(1, requires_grad=True),
    }
    state = {
        "epoch": 3,
        "loss": 0.125,
        "big": 2**70,
        "negative": -(2**40),
        "name": "résumé \N{PILE OF POO}",
        "nothing": None,
        "flags": (True, False),
        "betas": [0.9, [0.99, ()]],
        "bytes": b"\x00\xff",
        "set": {1, 2},
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "foreign_dtype": torch.bfloat16,
        "device": torch.device("cuda", 1),
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, {"k": [1]}),
        "default_int": collections.defaultdict(int, {"k": 1}),
        "__proto__": {"polluted": True},
        7: "integer key",
        ("a", 1): "tuple key",
        "tensors": tensors,
        "optimizer": optimizer.state_dict(),
        "model": cnn.state_dict(),
    }
    state["self"] = state["betas"]
    save_both(state, "training")
    flat = {f"tensors/{k}": (v.float() if v.dtype is torch.bfloat16 else v) for k, v in tensors.items()}
    flat["tensors/uint16"] = flat["tensors/uint16"].to(torch.int32)
    flat["tensors/uint32"] = flat["tensors/uint32"].to(torch.int64)
    for index, entry in optimizer.state_dict()["state"].items():
        for key, value in entry.items():
            flat[f"optimizer/state/{index}/{key}"] = value
    save_safetensors(os.path.join(OUT, "training.safetensors"), flat, dict(torch=torch.__version__))


def write_variants():
    """Forms of the zip format that torch.save does not write by default, and formats that are refused."""
    value = {"w": torch.arange(6.0).view(2, 3)}
    torch.serialization.set_crc32_options(False)
    torch.save(value, os.path.join(OUT, "without-checksums.pt"))
    torch.serialization.set_crc32_options(True)
    for protocol in (3, 4, 5):
        torch.save({**value, "b": b"xyz", "s": {1}, "f": frozenset([2]), "a": bytearray(b"ab")},
                   os.path.join(OUT, f"protocol{protocol}.pt"), pickle_protocol=protocol)
    buffer = io.BytesIO()
    torch.save(value, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(os.path.join(OUT, "deflated.pt"), "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(zipfile.ZipInfo(info.filename), source.read(info), zipfile.ZIP_DEFLATED)
    torch.save({"q": torch.quantize_per_tensor(torch.ones(2), 0.5, 3, torch.quint8)}, os.path.join(OUT, "quantized.pt"))
    torch.save({"c": torch.ones(2, dtype=torch.complex64)}, os.path.join(OUT, "complex.pt"))
    torch.save(nn.Linear(2, 2), os.path.join(OUT, "module.pt"))
    torch.jit.script(nn.Linear(2, 2)).save(os.path.join(OUT, "torchscript.pt"))


def write_numpy():
    os.makedirs(os.path.join(OUT, "numpy"), exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = {
        "f4": rng.standard_normal((2, 3)).astype("<f4"),
        "f8": np.array([0.1, np.nan, -np.inf]),
        "f2": np.array([1.5, -65504, 6e-8], dtype="<f2"),
        "i1": np.array([-128, 127], dtype="i1"),
        "u1": np.array([0, 255], dtype="u1"),
        "i2": np.array([-(2**15), 2**15 - 1], dtype="<i2"),
        "i4": np.array([-(2**31), 2**31 - 1], dtype="<i4"),
        "i8": np.array([2**53 - 1, -(2**53) + 1, -1], dtype="<i8"),
        "b1": np.array([True, False]),
        "u2": np.array([0, 65535], dtype="<u2"),
        "u4": np.array([0, 2**32 - 1], dtype="<u4"),
        "u8": np.array([0, 2**53 - 1], dtype="<u8"),
        "fortran": np.asfortranarray(rng.standard_normal((2, 3, 4)).astype("<f4")),
        "big_f4": np.array([[1.5, -2], [3, 4]], dtype=">f4"),
        "big_i8": np.array([2**40, -3], dtype=">i8"),
        "scalar": np.array(7, dtype="<i4"),
        "empty": np.zeros((0, 3), dtype="<f4"),
    }
    for name, array in arrays.items():
        np.save(os.path.join(OUT, "numpy", f"{name}.npy"), array)
    for version in ((2, 0), (3, 0)):
        with open(os.path.join(OUT, "numpy", f"version{version[0]}.npy"), "wb") as f:
            np.lib.format.write_array(f, arrays["f4"], version=version)
    np.save(os.path.join(OUT, "numpy", "refused-object.npy"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(os.path.join(OUT, "numpy", "refused-text.npy"), np.array(["a"]))
    np.save(os.path.join(OUT, "numpy", "refused-record.npy"), np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    np.save(os.path.join(OUT, "numpy", "refused-complex.npy"), np.array([1j]))
    np.savez(os.path.join(OUT, "arrays.npz"), **arrays)
    np.savez_compressed(os.path.join(OUT, "arrays-compressed.npz"), **{**arrays, "long/path é": np.zeros(5000, "<f4")})
    arrays["version2"] = arrays["version3"] = arrays["f4"]
    wide = {"u2": "<i4", "u4": "<i8", "u8": "<i8", "big_f4": "<f4", "big_i8": "<i8"}
    flat = {k: torch.from_numpy(np.array(v.astype(wide.get(k, v.dtype)), order="C")) for k, v in arrays.items()}
    save_safetensors(os.path.join(OUT, "numpy.safetensors"), flat, dict(numpy=np.__version__))


class Calls:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def write_malicious():
    for name, payload in (("system", Calls(os.system, "exit 0")), ("eval", Calls(builtins.eval, "1 + 1"))):
        torch.save({"w": torch.ones(2), "x": payload}, os.path.join(OUT, f"malicious-{name}.pt"))
    with open(os.path.join(OUT, "malicious-raw.pt"), "wb") as f:
        pickle.dump(Calls(os.system, "exit 0"), f, protocol=2)
    torch.save({"x": Calls(builtins.eval, "1 + 1")}, os.path.join(OUT, "malicious-legacy.pt"), _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    write_training(write_models())
    write_variants()
    write_numpy()
    write_malicious()
    files = [os.path.join(d, f) for d, _, names in os.walk(OUT) for f in names]
    print(f"checkpoints: {len(files)} files, {sum(map(os.path.getsize, files)) / 1024:.0f} KiB")
