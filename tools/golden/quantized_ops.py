"""Writes golden data for torch.ops.quantized: one safetensors file per family, in test/golden/quantized/, or in the folder
`quantized` of the one that OCTET_GOLDEN names; test/golden/README.md tells the format. An argument is the seed.

A case is one call under one engine. Engine onednn needs care on a CPU without VNNI: there it adds two products of u8 · s8 in
16 bits, which saturate. Activations of at most 127, or weights of at most 64, keep every pair below 2^15.
"""
import json, os, sys, warnings
import torch
from common import GOLDEN, save_safetensors

warnings.simplefilter("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
FOLDER = os.path.join(os.environ.get("OCTET_GOLDEN", GOLDEN), "quantized")
Q = torch.ops.quantized
QUINT8, QINT8, QINT32, QUINT4X2 = torch.quint8, torch.qint8, torch.qint32, torch.quint4x2
RANGES = {QUINT8: (0, 255), QINT8: (-128, 127)}
INTEGER = {QUINT8: torch.uint8, QINT8: torch.int8}


class Family:
    """Collects the cases of one file."""

    def __init__(self, name):
        self.name, self.tensors, self.cases = name, {}, []
        self.gen = torch.Generator().manual_seed(SEED * 1000 + sum(map(ord, name)))

    # ---- random operands

    def randn(self, *shape):
        return torch.randn(shape, generator=self.gen)

    def randint(self, low, high, shape, dtype=torch.int64):
        return torch.randint(low, high + 1, shape, generator=self.gen, dtype=dtype)

    def number(self, low, high):
        return low + (high - low) * torch.rand((), generator=self.gen).item()

    def quantized(self, shape, dtype=QUINT8, scale=0.05, zero_point=3, low=None, high=None):
        """Uniform integers of [low, high], by default of the whole range."""
        least, most = RANGES[dtype]
        ints = self.randint(least if low is None else low, most if high is None else high, shape, INTEGER[dtype])
        return torch._make_per_tensor_quantized_tensor(ints, scale, zero_point)

    def weight(self, shape, dtype=QINT8, per_channel=False, zero_point=0, low=-127, high=127):
        """Integers of [low, high]; per channel along the first dimension, each with its own scale."""
        ints = self.randint(low, high, shape, INTEGER[dtype])
        if not per_channel:
            return torch._make_per_tensor_quantized_tensor(ints, self.number(0.003, 0.02), zero_point)
        scales = 0.003 + 0.02 * torch.rand(shape[0], generator=self.gen, dtype=torch.float64)
        zero_points = torch.full((shape[0],), zero_point, dtype=torch.int64)
        return torch._make_per_channel_quantized_tensor(ints, scales, zero_points, 0)

    # ---- cases

    def case(self, name, op, engine, fn, inputs, kwargs=None, tolerance=0):
        """fn(**inputs) -> tensor. `op` is Octet's name in ops.quantized; `kwargs` are recorded, fn must apply them."""
        torch.backends.quantized.engine = engine
        name = f"{engine}/{name}"
        assert not any(c["name"] == name for c in self.cases), name
        described = [self.store(f"{name}/in/{key}", value, dict(name=key)) for key, value in inputs.items()]
        out = self.store(f"{name}/out", fn(**inputs), {})
        record = dict(name=name, op=op, engine=engine, kwargs=kwargs or {}, inputs=described, output=out)
        self.cases.append(record | (dict(tolerance=tolerance) if tolerance else {}))

    def store(self, key, x, record):
        """Keeps a tensor under `key`; returns `record` with its dtype and qparams."""
        record["dtype"] = str(x.dtype).removeprefix("torch.")
        if not x.is_quantized:
            self.tensors[key] = x.detach().clone()
            return record
        self.tensors[key] = unpacked_integers(x)
        if x.qscheme() == torch.per_tensor_affine:
            record.update(scale=x.q_scale(), zero_point=x.q_zero_point())
        else:
            record.update(axis=x.q_per_channel_axis())
            self.tensors[f"{key}/scales"] = x.q_per_channel_scales().clone()
            self.tensors[f"{key}/zero_points"] = x.q_per_channel_zero_points().clone()
        return record

    def save(self):
        os.makedirs(FOLDER, exist_ok=True)
        path = os.path.join(FOLDER, f"{self.name}.safetensors")
        meta = dict(format="quantized-operators", torch=torch.__version__, script=f"tools/golden/{os.path.basename(sys.argv[0])}",
                    cases=json.dumps(self.cases, separators=(",", ":")))
        save_safetensors(path, self.tensors, meta)
        print(f"{self.name}: {len(self.cases)} cases, {os.path.getsize(path) / 1024:.0f} KiB")


def unpacked_integers(x):
    """One integer per element, also for quint4x2, whose int_repr is packed."""
    if x.dtype != QUINT4X2:
        return x.int_repr().clone()
    packed = x.int_repr().flatten()
    return torch.stack([packed & 15, packed >> 4], 1).flatten()[: x.numel()].reshape(x.shape)


# What each engine may be given. onednn: quint8 input with 7 bits, symmetric qint8 weights.
def variants(engine):
    """(label, input's dtype and limits, weight's arguments)."""
    small = dict(low=0, high=127, zero_point=61)
    yield "per-tensor", small, {}
    yield "per-channel", small, dict(per_channel=True)
    if engine == "onednn":
        yield "small-weights", dict(zero_point=130), dict(low=-64, high=64)
        return
    yield "full-range", dict(zero_point=130), dict(low=-128)
    yield "asymmetric", dict(zero_point=255), dict(zero_point=-7)
    yield "qint8", dict(dtype=QINT8, zero_point=-9), {}


ENGINES = ("onednn", "qnnpack")


# A random scale that spreads sums of `depth` products over most of the output range.
def output_of(family, x, w, depth, zero_point=None):
    sw = w.q_scale() if w.qscheme() == torch.per_tensor_affine else w.q_per_channel_scales().mean().item()
    scale = x.q_scale() * sw * depth**0.5 * family.number(60, 110)
    lo, hi = RANGES[x.dtype]
    return scale, (lo + hi) // 2 + 5 if zero_point is None else zero_point


def linear():
    f = Family("linear")
    for engine in ENGINES:
        for label, x_args, w_args in variants(engine):
            for rows, depth, out in ((37, 61, 29), (24, 256, 12)):
                x, w = f.quantized((rows, depth), scale=f.number(0.01, 0.1), **x_args), f.weight((out, depth), **w_args)
                scale, zp = output_of(f, x, w, depth)
                b = f.randn(out) * scale * 20
                ops = [("linear", Q.linear), ("linearRelu", Q.linear_relu)]
                for op, fn in ops:
                    f.case(f"{op} {label} {depth}", op, engine, lambda x, weight, bias, fn=fn: fn(x, Q.linear_prepack(weight, bias), scale, zp),
                           dict(x=x, weight=w, bias=b), dict(scale=scale, zero_point=zp))
        x, w = f.quantized((2, 3, 5, 16), high=127), f.weight((7, 16))
        scale, zp = output_of(f, x, w, 16)
        f.case("no bias, 4-d", "linear", engine, lambda x, weight: Q.linear(x, Q.linear_prepack(weight, None), scale, zp),
               dict(x=x, weight=w), dict(scale=scale, zero_point=zp))
        f.case("unpack", "linearUnpack", engine, lambda weight: Q.linear_unpack(Q.linear_prepack(weight, None))[0], dict(weight=w))
    x, w, b = f.quantized((64, 48), high=127, zero_point=60), f.weight((32, 48), per_channel=True), f.randn(32)
    f.case("leaky relu", "linearLeakyRelu", "onednn", lambda x, weight, bias: Q.linear_leaky_relu(x, Q.linear_prepack(weight, bias), 0.9, 100, 0.1),
           dict(x=x, weight=w, bias=b), dict(scale=0.9, zero_point=100, negative_slope=0.1))
    w = f.weight((32, 48), low=-2, high=2)
    f.case("tanh", "linearTanh", "onednn", lambda x, weight, bias: Q.linear_tanh(x, Q.linear_prepack(weight, bias), 2 / 256, 128),
           dict(x=x, weight=w, bias=b), dict(scale=2 / 256, zero_point=128))
    f.save()


# name, rank, input, weight [out, in / groups, …], options
CONVS = [
    ("conv1d", 1, (2, 4, 31), (6, 4, 3), {}),
    ("conv1d options", 1, (2, 6, 29), (9, 2, 5), dict(stride=2, padding=3, dilation=2, groups=3)),
    ("conv2d", 2, (2, 3, 12, 11), (8, 3, 3, 3), {}),
    ("conv2d padded", 2, (1, 5, 9, 10), (6, 5, 3, 3), dict(padding=1)),
    ("conv2d strided", 2, (1, 4, 15, 14), (8, 4, 5, 3), dict(stride=(2, 3), padding=(2, 1))),
    ("conv2d dilated", 2, (1, 4, 15, 14), (8, 4, 3, 2), dict(dilation=(2, 3), padding=(3, 1))),
    ("conv2d grouped", 2, (1, 8, 9, 9), (12, 2, 3, 3), dict(groups=4, padding=1)),
    ("conv2d depthwise", 2, (1, 16, 9, 9), (16, 1, 3, 3), dict(groups=16, padding=1)),
    ("conv2d depthwise 5x5", 2, (1, 8, 11, 9), (8, 1, 5, 5), dict(groups=8, padding=2, stride=2)),
    ("conv2d multiplied depthwise", 2, (1, 6, 8, 8), (12, 1, 3, 3), dict(groups=6, stride=2)),
    ("conv2d pointwise", 2, (2, 32, 7, 7), (24, 32, 1, 1), {}),
    ("conv2d deep", 2, (1, 64, 6, 6), (16, 64, 3, 3), dict(padding=1)),
    ("conv3d", 3, (1, 3, 6, 7, 8), (5, 3, 3, 3, 3), {}),
    ("conv3d options", 3, (1, 4, 7, 8, 9), (6, 2, 3, 2, 3), dict(stride=(2, 1, 2), padding=(1, 0, 2), dilation=(1, 2, 1), groups=2)),
]


def listed(value, rank):
    return [value] * rank if isinstance(value, int) else list(value)


def packed_conv(rank, weight, bias, options):
    sizes = [listed(options.get(k, d), rank) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1))]
    return getattr(Q, f"conv{rank}d_prepack")(weight, bias, *sizes, options.get("groups", 1))


def conv():
    f = Family("conv")
    for engine in ENGINES:
        for label, x_args, w_args in variants(engine):
            for name, rank, x_shape, w_shape, options in CONVS:
                if rank == 3 and x_args.get("dtype") == QINT8:
                    continue  # crashes: conv3d on qnnpack takes quint8 only
                x, w = f.quantized(x_shape, scale=f.number(0.01, 0.1), **x_args), f.weight(w_shape, **w_args)
                scale, zp = output_of(f, x, w, w[0].numel())
                b = f.randn(w_shape[0]) * scale * 20
                relu = f.randint(0, 1, ()).item() == 1
                fn = getattr(Q, f"conv{rank}d_relu" if relu else f"conv{rank}d")
                f.case(f"{name} {label}", f"conv{rank}d" + ("Relu" if relu else ""), engine,
                       lambda x, weight, bias: fn(x, packed_conv(rank, weight, bias, options), scale, zp).contiguous(),
                       dict(x=x, weight=w, bias=b), dict(scale=scale, zero_point=zp, **options))
        x, w = f.quantized((1, 3, 8, 8), high=127), f.weight((4, 3, 3, 3))
        scale, zp = output_of(f, x, w, 27)
        f.case("no bias", "conv2d", engine, lambda x, weight: Q.conv2d(x, packed_conv(2, weight, None, {}), scale, zp).contiguous(),
               dict(x=x, weight=w), dict(scale=scale, zero_point=zp))
        f.case("unpack", "conv2dUnpack", engine, lambda weight: Q.conv2d_unpack(packed_conv(2, weight, None, {}))[0].contiguous(), dict(weight=w))
    for op, fn in (("conv2dAdd", Q.conv2d_add), ("conv2dAddRelu", Q.conv2d_add_relu)):
        x, w = f.quantized((1, 8, 9, 9), high=127, zero_point=60), f.weight((16, 8, 3, 3), per_channel=True)
        scale, zp = output_of(f, x, w, 72)
        addend = f.quantized((1, 16, 9, 9), scale=scale * 0.7, zero_point=121)
        f.case(op, op, "onednn",
               # the addend's memory is overwritten
               lambda x, addend, weight, bias: fn(x, addend.clone().contiguous(memory_format=torch.channels_last), packed_conv(2, weight, bias, dict(padding=1)), scale, zp).contiguous(),
               dict(x=x, addend=addend, weight=w, bias=f.randn(16) * scale * 20), dict(scale=scale, zero_point=zp, padding=1))
    f.save()


# name, rank, input, weight [in, out / groups, …], options
TRANSPOSED = [
    ("convTranspose1d", 1, (2, 4, 17), (4, 6, 3), {}),
    ("convTranspose1d options", 1, (1, 6, 13), (6, 2, 4), dict(stride=3, padding=2, output_padding=1, groups=2)),
    ("convTranspose2d", 2, (1, 4, 7, 8), (4, 6, 3, 3), {}),
    ("convTranspose2d strided", 2, (1, 8, 6, 7), (8, 4, 2, 2), dict(stride=2)),
    ("convTranspose2d options", 2, (1, 4, 7, 6), (4, 3, 3, 4), dict(stride=(2, 3), padding=(1, 2), output_padding=(1, 0), dilation=(2, 1), groups=2)),
    ("convTranspose2d depthwise", 2, (1, 8, 6, 6), (8, 1, 4, 4), dict(stride=2, padding=1, groups=8)),
    ("convTranspose3d", 3, (1, 3, 4, 5, 4), (3, 4, 3, 2, 3), dict(stride=(2, 1, 2), padding=(1, 0, 0))),
]


def supported(engine, w_shape, options):
    """What onednn can do: no output_padding; and it mixes the weights up unless a group has as many inputs as outputs."""
    if engine != "onednn":
        return w_shape, options
    square = (w_shape[0], w_shape[0] // options.get("groups", 1), *w_shape[2:])
    return torch.Size(square), {k: v for k, v in options.items() if k != "output_padding"}


def packed_transposed(rank, weight, bias, options):
    defaults = (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
    sizes = [listed(options.get(k, d), rank) for k, d in defaults]
    return getattr(Q, f"conv_transpose{rank}d_prepack")(weight, bias, *sizes, options.get("groups", 1))


def conv_transpose():
    f = Family("conv-transpose")
    for engine in ENGINES:
        for label, x_args, w_args in variants(engine):
            if w_args.get("per_channel"):
                continue
            for name, rank, x_shape, w_shape, options in TRANSPOSED:
                if rank == 3 and engine == "qnnpack":
                    continue  # reads memory that nothing was written to
                w_shape, options = supported(engine, w_shape, options)
                x, w = f.quantized(x_shape, scale=f.number(0.01, 0.1), **x_args), f.weight(w_shape, **w_args)
                scale, zp = output_of(f, x, w, w_shape[0] // options.get("groups", 1) * 4)
                b = f.randn(w_shape[1] * options.get("groups", 1)) * scale * 20
                fn = getattr(Q, f"conv_transpose{rank}d")
                f.case(f"{name} {label}", f"convTranspose{rank}d", engine,
                       lambda x, weight, bias: fn(x, packed_transposed(rank, weight, bias, options), scale, zp).contiguous(),
                       dict(x=x, weight=w, bias=b), dict(scale=scale, zero_point=zp, **options))
    f.save()


def dynamic_conv(f, name, rank, x, w, options, transposed):
    """PyTorch's dynamic convolutions round their result to the grid of their input and cut it off there. Octet's do not: they
    are compared with a float convolution of the rounded operands. What PyTorch does is kept too, as a static convolution."""
    kind, pack = ("conv_transpose", packed_transposed) if transposed else ("conv", packed_conv)
    op = ("convTranspose" if transposed else "conv") + f"{rank}d"
    b = f.randn(w.shape[1] * options.get("groups", 1) if transposed else w.shape[0])
    scale, zp = torch._choose_qparams_per_tensor(x, False)
    rounded = torch.quantize_per_tensor(x, scale, zp, QUINT8)
    float_conv = getattr(torch.nn.functional, f"{kind}{rank}d")
    f.case(f"{name} in float", f"{op}Dynamic", "qnnpack",
           lambda x, weight, bias: float_conv(rounded.dequantize().double(), weight.dequantize().double(), bias.double(), **options).float(),
           dict(x=x, weight=w, bias=b), dict(reduce_range=False, **options), tolerance=1e-5)
    for engine in ENGINES:
        if rank == 3 and transposed and engine == "qnnpack" or transposed and supported(engine, w.shape, options) != (w.shape, options):
            continue
        fn = getattr(Q, f"{kind}{rank}d_dynamic")
        f.case(f"{name} on the input's grid", f"{op}OnInputGrid", engine,
               lambda x, weight, bias: fn(x, pack(rank, weight, bias, options), False).contiguous(), dict(x=x, weight=w, bias=b), options)


def dynamic():
    """Float activations. Under onednn linear_dynamic crashes."""
    f = Family("dynamic")
    for per_channel in (False, True):
        label = "per-channel" if per_channel else "per-tensor"
        for op, fn in (("linearDynamic", Q.linear_dynamic), ("linearReluDynamic", Q.linear_relu_dynamic)):
            for reduce_range in (False, True):
                x, w, b = f.randn(9, 33), f.weight((17, 33), per_channel=per_channel), f.randn(17)
                f.case(f"{op} {label} {reduce_range}", op, "qnnpack", lambda x, weight, bias: fn(x, Q.linear_prepack(weight, bias), reduce_range),
                       dict(x=x, weight=w, bias=b), dict(reduce_range=reduce_range))
        f.case(f"linearDynamic 3-d {label}", "linearDynamic", "qnnpack", lambda x, weight: Q.linear_dynamic(x, Q.linear_prepack(weight, None)),
               dict(x=f.randn(2, 3, 12).abs(), weight=f.weight((5, 12), per_channel=per_channel)))
        for name, rank, x_shape, w_shape, options in CONVS[::2]:
            dynamic_conv(f, f"{name} {label}", rank, f.randn(*x_shape), f.weight(w_shape, per_channel=per_channel, low=-64, high=64), options, False)
    for name, rank, x_shape, w_shape, options in TRANSPOSED:
        dynamic_conv(f, name, rank, f.randn(*x_shape), f.weight(w_shape, low=-64, high=64), options, True)
    f.save()


# Scales of a, b and the output; the last three make ties.
SCALES = [(0.0371, 0.0413, 0.0827), (0.0121, 0.353, 0.4), (0.05, 0.02, 0.06), (0.05, 0.02, 0.01), (0.5, 0.25, 1.0)]
# In blocks of 64: PyTorch's vector and scalar code differ at ties, see core/quantized-binary.ts.
SHAPES = [("equal", (5, 2, 64), (5, 2, 64)), ("row", (3, 2, 64), (64,)), ("stretched", (2, 1, 64), (1, 3, 1)), ("one", (4, 64), (1,))]


def arithmetic():
    f = Family("arithmetic")
    zero_points = {QUINT8: (100, 128, 90), QINT8: (5, -3, -9)}
    for engine in ENGINES:
        for dtype, (za, zb, zo) in zero_points.items():
            for i, (sa, sb, so) in enumerate(SCALES):
                for label, a_shape, b_shape in SHAPES:
                    a, b = f.quantized(a_shape, dtype, sa, za), f.quantized(b_shape, dtype, sb, zb)
                    relu = (i + len(label)) % 2 == 1
                    for op in ("add", "mul"):
                        out = so if op == "add" else so * 2
                        fn = getattr(Q, f"{op}_relu" if relu else op)
                        f.case(f"{op} {label} {a.dtype} {i}", op + ("Relu" if relu else ""), engine, lambda a, b: fn(a, b, out, zo),
                               dict(a=a, b=b), dict(scale=out, zero_point=zo))
        a, b = f.quantized((3, 64), QINT8, 0.05, 5), f.quantized((3, 64), QINT8, 0.02, -3)
        for op in ("add", "mul"):
            fn = getattr(Q, op)
            f.case(f"{op} largest zero point", op, engine, lambda a, b: fn(a, b, 0.06, 127), dict(a=a, b=b), dict(scale=0.06, zero_point=127))
            ints = [torch._make_per_tensor_quantized_tensor(f.randint(-3000, 3000, (4, 64), torch.int32), s, z) for s, z in ((0.013, 7), (0.0057, -90))]
            f.case(f"{op} qint32", op, engine, lambda a, b: fn(a, b, 0.021, 11), dict(a=ints[0], b=ints[1]), dict(scale=0.021, zero_point=11))
            a1, b1 = f.quantized((3, 7, 11), scale=0.0371), f.quantized((3, 7, 11), scale=0.0413, zero_point=77)
            f.case(f"{op} odd size", op, engine, lambda a, b: fn(a, b, 0.0827, 40), dict(a=a1, b=b1), dict(scale=0.0827, zero_point=40))
    for dtype in (QUINT8, QINT8):
        x = f.quantized((4, 33), dtype, 0.05, 100 if dtype == QUINT8 else -20)
        for c in (0.73, -0.025, 30.0, -30.0, 0.0):
            for op, fn in (("addScalar", Q.add_scalar), ("addScalarRelu", Q.add_scalar_relu)):
                f.case(f"{op} {dtype} {c}", op, "qnnpack", lambda x: fn(x, c), dict(x=x), dict(c=c))
        for c in (2.5, 0.0, -2.0, -0.3):
            for op, fn in (("mulScalar", Q.mul_scalar), ("mulScalarRelu", Q.mul_scalar_relu)):
                f.case(f"{op} {dtype} {c}", op, "qnnpack", lambda x: fn(x, c), dict(x=x), dict(c=c))
        zp = 90 if dtype == QUINT8 else -7
        xs = [f.quantized(s, dtype, sc, z) for s, sc, z in (((3, 2, 5), 0.05, zp), ((3, 7, 5), 0.02, zp + 9), ((3, 1, 5), 0.5, zp))]
        for op, fn in (("cat", Q.cat), ("catRelu", Q.cat_relu)):
            f.case(f"{op} {dtype}", op, "qnnpack", lambda a, b, c: fn([a, b, c], 1, 0.06, zp - 3), dict(zip("abc", xs)), dict(dim=1, scale=0.06, zero_point=zp - 3))
            f.case(f"{op} {dtype} default", op, "qnnpack", lambda a, b, c: fn([a, b, c], 1, None, None), dict(zip("abc", xs)), dict(dim=1, scale=None, zero_point=None))
        for label, a_shape, b_shape in (("2d", (17, 23), (23, 19)), ("batched", (3, 8, 16), (3, 16, 9)), ("stretched", (2, 3, 4, 8), (8, 5))):
            a, b = f.quantized(a_shape, dtype, 0.031, zp), f.quantized(b_shape, dtype, 0.017, zp + 11)
            f.case(f"matmul {label} {dtype}", "matmul", "qnnpack", lambda a, b: Q.matmul(a, b, 0.93, zp), dict(a=a, b=b), dict(scale=0.93, zero_point=zp))
    f.save()


def per_row_qparams(x, dtype):
    """Scale and zero point of each row as PerChannelMinMaxObserver chooses them for float qparams."""
    low, high = x.amin(1), x.amax(1)
    scale = ((high - low) / {QUINT8: 255, QUINT4X2: 15}[dtype]).clamp(min=1e-6)
    return scale, -low / scale


def embedding():
    f = Family("embedding")
    for dtype, bits in ((QUINT8, "byte"), (QUINT4X2, "4bit")):
        x = f.randn(20, 12)
        weight = torch.quantize_per_channel(x, *per_row_qparams(x, dtype), 0, dtype)
        one, bag = getattr(Q, f"embedding_{bits}"), getattr(Q, f"embedding_bag_{bits}")
        name = "Byte" if bits == "byte" else bits
        pack = Q.embedding_bag_prepack
        indices, offsets = f.randint(0, 19, (17,)), torch.tensor([0, 4, 4, 9])
        f.case(f"embedding {bits}", f"embedding{name}", "qnnpack", lambda weight, indices: one(pack(weight), indices), dict(weight=weight, indices=indices))
        f.case(f"embedding {bits} 2-d", f"embedding{name}", "qnnpack", lambda weight, indices: one(pack(weight), indices),
               dict(weight=weight, indices=f.randint(0, 19, (3, 4), torch.int32)))
        op = f"embeddingBag{name}"
        f.case(f"bag {bits}", op, "qnnpack", lambda weight, indices, offsets: bag(pack(weight), indices, offsets), dict(weight=weight, indices=indices, offsets=offsets))
        f.case(f"bag {bits} 2-d", op, "qnnpack", lambda weight, indices: bag(pack(weight), indices), dict(weight=weight, indices=f.randint(0, 19, (5, 3))))
        f.case(f"bag {bits} weighted", op, "qnnpack",
               lambda weight, indices, offsets, per_sample_weights: bag(pack(weight), indices, offsets, False, 0, False, per_sample_weights),
               dict(weight=weight, indices=indices, offsets=offsets, per_sample_weights=f.randn(17)))
        f.case(f"bag {bits} last offset", op, "qnnpack",
               lambda weight, indices, offsets: bag(pack(weight), indices, offsets, False, 0, False, None, None, True),
               dict(weight=weight, indices=indices, offsets=torch.tensor([0, 4, 4, 9, 17])), dict(include_last_offset=True))
        mapping = torch.tensor([0, -1, 1, 2, -1, 3, *range(4, 18)], dtype=torch.int32)
        f.case(f"bag {bits} pruned", op, "qnnpack",
               lambda weight, indices, offsets, compressed_indices_mapping: bag(pack(weight), indices, offsets, False, 0, True, None, compressed_indices_mapping),
               dict(weight=weight, indices=f.randint(0, 19, (17,)), offsets=offsets, compressed_indices_mapping=mapping))
    rows = torch.cat([f.randn(30, 16), f.randn(10, 16).abs() * 1e-3, torch.full((2, 16), 0.7), torch.zeros(1, 16), f.randn(5, 16) * 1e3])
    for bits in ("byte", "4bit", "2bit"):
        prepack, unpack, rowwise = (getattr(Q, f"embedding_bag_{bits}_{what}") for what in ("prepack", "unpack", "rowwise_offsets"))
        name = "embeddingBag" + ("Byte" if bits == "byte" else bits)
        packed = prepack(rows)
        f.case(f"prepack {bits}", f"{name}Prepack", "qnnpack", lambda weight: prepack(weight), dict(weight=rows))
        f.case(f"unpack {bits}", f"{name}Unpack", "qnnpack", lambda packed: unpack(packed), dict(packed=packed))
        f.case(f"rowwise {bits}", f"{name}RowwiseOffsets", "qnnpack",
               lambda packed, indices, offsets, per_sample_weights: rowwise(packed, indices, offsets, False, 0, False, per_sample_weights),
               dict(packed=packed, indices=f.randint(0, 47, (11,)), offsets=torch.tensor([0, 3, 8]), per_sample_weights=f.randn(11)))
        if bits == "byte":
            continue
        f.case(f"prepack {bits} optimized", f"{name}Prepack", "qnnpack", lambda weight: prepack(weight, True, 200, 0.16), dict(weight=rows),
               dict(optimized_qparams=True))
        f.case(f"prepack {bits} optimized coarsely", f"{name}Prepack", "qnnpack", lambda weight: prepack(weight, True, 37, 0.5), dict(weight=rows),
               dict(optimized_qparams=True, nbins=37, ratio=0.5))
        width = int(bits[0])
        f.case(f"choose qparams {bits}", "chooseQparamsOptimized", "qnnpack",
               lambda x: torch.cat([t.reshape(1) for t in torch.choose_qparams_optimized(x, 64, 200, 0.16, width)]), dict(x=f.randn(64)),
               dict(numel=64, n_bins=200, ratio=0.16, bit_width=width))
    f.save()


if __name__ == "__main__":
    for write in (linear, conv, conv_transpose, dynamic, arithmetic, embedding):
        write()
