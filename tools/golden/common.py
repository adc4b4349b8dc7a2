"""Writes golden data for the operator and module tests: one safetensors file per family, in test/golden/, whose README.md
tells the format.

A case is run twice, in float32 and in float64, on the same float32-representable inputs; or once, as `raw`, in the dtypes
of the inputs as they are given (`raw=True`, for what promotes dtypes). Keyword names are PyTorch's; op names are Octet's.
"""
import json, os, struct, sys
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "test", "golden")
NAMES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.int32: "I32", torch.int16: "I16",
         torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.float16: "F16"}


def save_safetensors(path, tensors, metadata):
    """The safetensors format: 8-byte header length, JSON header, data."""
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, t in tensors.items():
        data = t.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [offset, offset + len(data)]}
        blobs.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def tensors_in(value):
    """Outputs of a call as a flat list of tensors; PackedSequence gives its data."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return [value.data]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors_in(v)]
    return []


class Family:
    """Collects the cases of one family; `save()` writes test/golden/<family>.safetensors."""

    def __init__(self, family, seed=0):
        self.family, self.tensors, self.cases = family, {}, []
        self.gen = torch.Generator().manual_seed(seed)

    def randn(self, *shape):
        return torch.randn(shape, generator=self.gen)

    def rand(self, *shape):
        return torch.rand(shape, generator=self.gen)

    def randint(self, low, high, shape, dtype=torch.int64):
        return torch.randint(low, high, shape, generator=self.gen, dtype=dtype)

    def function(self, name, op, fn, inputs, kwargs=None, differentiable=None, raw=False):
        """fn(**inputs) -> tensor(s); `kwargs` is recorded for the TypeScript side, `fn` must already apply it."""
        entry = dict(name=name, op=op, kind="function", args=[], kwargs=kwargs or {}, training=False)
        self._run(entry, inputs, differentiable, lambda dtype: (fn, None), raw)

    def module(self, name, op, make, inputs, args=(), kwargs=None, differentiable=None, training=True, call=None):
        """make() -> module with fixed weights; call(module, **inputs) defaults to module(*inputs.values())."""
        torch.manual_seed(1234)
        base = make().train(training)
        for key, value in base.state_dict().items():
            self.tensors[f"{name}/state/{key}"] = value.clone()
        entry = dict(name=name, op=op, kind="module", args=list(args), kwargs=kwargs or {}, training=training)

        def build(dtype):
            torch.manual_seed(1234)
            m = make().train(training).to(dtype)
            run = (lambda **i: call(m, **i)) if call else (lambda **i: m(*i.values()))
            return run, m

        self._run(entry, inputs, differentiable, build)

    def _run(self, entry, inputs, differentiable, build, raw=False):
        name = entry["name"]
        assert not any(c["name"] == name for c in self.cases), name
        if differentiable is None:
            differentiable = [k for k, v in inputs.items() if v.is_floating_point()]
        for key, value in inputs.items():
            self.tensors[f"{name}/in/{key}"] = value.clone()
        runs = {"raw": None} if raw else {"f32": torch.float32, "f64": torch.float64}
        entry["runs"] = list(runs)
        for tag, dtype in runs.items():
            run, module = build(dtype)
            fresh = {k: v.to(dtype, copy=True) if dtype and v.is_floating_point() else v.clone() for k, v in inputs.items()}
            for k in differentiable:
                fresh[k].requires_grad_(True)
            before = {k: v.clone() for k, v in module.named_buffers()} if module else {}
            outs = tensors_in(run(**fresh))
            entry["outputs"] = len(outs)
            for i, out in enumerate(outs):
                self.tensors[f"{name}/{tag}/out/{i}"] = out.clone()
            weighted = [(i, o) for i, o in enumerate(outs) if o.requires_grad]
            if weighted:
                gen = torch.Generator().manual_seed(99)
                grads = [torch.randn(o.shape, generator=gen).to(o.dtype) for _, o in weighted]
                for (i, _), g in zip(weighted, grads):
                    self.tensors[f"{name}/{tag}/grad_out/{i}"] = g
                torch.autograd.backward([o for _, o in weighted], grads)
            for k in differentiable:
                if fresh[k].grad is not None:
                    self.tensors[f"{name}/{tag}/grad/{k}"] = fresh[k].grad
            if module:
                for key, p in module.named_parameters():
                    if p.grad is not None:
                        self.tensors[f"{name}/{tag}/grad_state/{key}"] = p.grad
                for key, b in module.named_buffers():
                    if not torch.equal(b, before[key]):
                        self.tensors[f"{name}/{tag}/after/{key}"] = b
        entry["inputs"], entry["differentiable"] = list(inputs), differentiable
        self.cases.append(entry)

    def save(self):
        os.makedirs(GOLDEN, exist_ok=True)
        path = os.path.join(GOLDEN, f"{self.family}.safetensors")
        meta = dict(torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}",
                    cases=json.dumps(self.cases, separators=(",", ":")))
        save_safetensors(path, self.tensors, meta)
        print(f"{self.family}: {len(self.cases)} cases, {os.path.getsize(path) / 1024:.0f} KiB")


def channels_last(x):
    """x [N, C, *] with the strides that quantized convolutions give their results: those of a contiguous [N, *, C]. PyTorch's
    pools round ties in another way where x is contiguous."""
    n = x.dim()
    return x if n < 3 else x.permute(0, *range(2, n), 1).contiguous().permute(0, n - 1, *range(1, n - 1))
