"""Writes test/golden/printing.json: tensors and the text that PyTorch prints for them."""
import json, os
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
inf, nan = float("inf"), float("nan")
g = torch.Generator().manual_seed(3)


def randn(*shape):
    return torch.randn(*shape, generator=g)


CASES = {
    "scalar": torch.tensor(3.5),
    "whole scalar": torch.tensor(3.0),
    "int scalar": torch.tensor(7),
    "bool scalar": torch.tensor(True),
    "vector": torch.tensor([1.5, -2.25, 3.125]),
    "whole floats": torch.tensor([1.0, 2.0, -30.0]),
    "zeros": torch.zeros(2, 3),
    "negative zero": torch.tensor([-0.0, 0.0]),
    "negative zero with fractions": torch.tensor([-0.0, 0.5]),
    "ties to even": torch.tensor([0.03125, 0.09375, -0.03125, 1.00005]),
    "small": torch.tensor([1e-5, 2e-5]),
    "just not small": torch.tensor([1e-4, 0.05]),
    "ratio of a thousand": torch.tensor([0.001, 1.0]),
    "ratio above a thousand": torch.tensor([0.001, 1.01]),
    "whole, ratio above a thousand": torch.tensor([1.0, 1001.0]),
    "whole, ratio of a thousand": torch.tensor([1.0, 1000.0]),
    "large": torch.tensor([1e8, 2e8]),
    "larger": torch.tensor([1.1e8, 2e8, 100005.0]),
    "exponents of three digits": torch.tensor([1e-200, 1e200], dtype=torch.float64),
    "one digit apart": torch.tensor([9.99995, 0.1]),
    "infinities": torch.tensor([inf, -inf, 1.0]),
    "nan among fractions": torch.tensor([nan, 1.5, -inf]),
    "only nan": torch.tensor([nan, nan]),
    "only infinity": torch.tensor([inf]),
    "infinity in scientific": torch.tensor([inf, 1e-7, 1.0]),
    "integers": torch.tensor([1, -20, 300]),
    "int32": torch.tensor([[1, 2], [3, 4]], dtype=torch.int32),
    "uint8": torch.tensor([1, 255], dtype=torch.uint8),
    "int8": torch.tensor([-128, 127], dtype=torch.int8),
    "int16": torch.tensor([-1, 12345], dtype=torch.int16),
    "float64": torch.tensor([1.0, 2.5], dtype=torch.float64),
    "float16": torch.tensor([1.0, 0.1], dtype=torch.float16),
    "bools": torch.tensor([True, False]),
    "matrix": randn(3, 4),
    "wide matrix": randn(2, 12),
    "long vector": randn(25),
    "long ints": torch.arange(40),
    "cube": randn(2, 3, 2),
    "four dimensions": torch.arange(16.0).view(2, 2, 2, 2),
    "empty": torch.zeros(0),
    "empty ints": torch.zeros(0, dtype=torch.int64),
    "empty matrix": torch.zeros(2, 0),
    "empty int cube": torch.zeros(0, 3, 1, dtype=torch.int32),
    "summarized vector": torch.arange(1001),
    "not summarized": torch.arange(1000.0),
    "summarized matrix": torch.arange(1200.0).view(40, 30),
    "summarized, few rows": torch.arange(1200).view(2, 600),
    "summarized, few columns": torch.arange(1200.0).view(600, 2) / 7,
    "summarized cube": torch.arange(1500).view(10, 10, 15),
    "summarized scale hidden": torch.cat([torch.ones(500), torch.tensor([1e9]), torch.ones(600)]),
    "requires grad": torch.tensor([1.0, 2.0]).requires_grad_(),
    "long suffix": randn(8, 7).double().requires_grad_(),
    "fills the line": torch.arange(1000, 1012).int(),
}

cases = []
for name, t in CASES.items():
    values = t.detach().reshape(-1).tolist()
    cases.append(dict(name=name, dtype=str(t.dtype).split(".")[1], shape=list(t.shape), requiresGrad=t.requires_grad,
                      values=[str(v) if v != v or v in (inf, -inf) else v for v in values], negativeZeros=[
                          i for i, v in enumerate(values) if v == 0 and str(v).startswith("-")], text=str(t)))

OPTIONS = {
    "precision": (dict(precision=2), torch.tensor([1.005, 2.5])),
    "sci_mode on": (dict(sci_mode=True), torch.tensor([1.0, 2.5])),
    "sci_mode off": (dict(sci_mode=False), torch.tensor([1e-7, 2.5])),
    "threshold and edgeitems": (dict(threshold=10, edgeitems=2), torch.arange(36.0).view(6, 6)),
    "linewidth": (dict(linewidth=40), torch.arange(20.0) / 8),
}
for name, (options, t) in OPTIONS.items():
    torch.set_printoptions(**options)
    cases.append(dict(name=name, dtype="float32", shape=list(t.shape), requiresGrad=False, values=t.reshape(-1).tolist(),
                      negativeZeros=[], options=options, text=str(t)))
    torch.set_printoptions(profile="default")
    torch.set_printoptions(sci_mode=None)

with open(os.path.join(HERE, "..", "..", "test", "golden", "printing.json"), "w") as f:
    json.dump(dict(torch=torch.__version__, script="tools/golden/printing.py", cases=cases), f, separators=(",", ":"))
    f.write("\n")
print(f"printing: {len(cases)} cases")
