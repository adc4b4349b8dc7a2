"""Writes golden data for torch.ao.nn.quantized.functional, for the operators of torch.ops.quantized that quantized_ops.py leaves
out, and for float operators that resize, pad, shuffle, move and compare quantized tensors: functional.safetensors,
operators.safetensors, resize.safetensors and moves.safetensors of test/golden/quantized, in the format of quantized_ops.py. An
argument is the seed.
"""
import warnings
import torch
import torch.nn.functional as F
import torch.ao.nn.quantized.functional as QF
from common import channels_last
from quantized_ops import ENGINES, QINT8, QINT32, QUINT8, Family, listed, output_of, packed_conv, variants

warnings.simplefilter("ignore")
Q = torch.ops.quantized
ZERO_POINTS = {QUINT8: 100, QINT8: -7}


def both(f, name, op, fn, inputs, kwargs=None):
    """One case for each engine."""
    for engine in ENGINES:
        f.case(name, op, engine, fn, inputs, kwargs)


def resize():
    f = Family("resize")
    for dtype, zp in ZERO_POINTS.items():
        line, plane, volume = (f.quantized(s, dtype, 0.05, zp) for s in ((2, 4, 9), (2, 4, 6, 7), (1, 2, 3, 4, 5)))
        for x, sizes, factors in ((plane, [(9, 5), (12, 14), (13, 3)], [2, 1.3, 0.6, (2.5, 0.7)]), (volume, [(4, 7, 5)], [2, (1.3, 0.7, 2)])):
            for options in [dict(size=s) for s in sizes] + [dict(scale_factor=s) for s in factors]:
                modes = [("nearest", None), ("nearest-exact", None)] + ([("bilinear", False), ("bilinear", True), ("bilinear", None)] if x is plane else [])
                for mode, align in modes:
                    both(f, f"{mode} {align} {options} {x.ndim} {dtype}", "interpolate",
                         lambda x: F.interpolate(x, mode=mode, align_corners=align, **options).contiguous(),
                         dict(x=x), dict(mode=mode, align_corners=align, **options))
        for label, x, size in (("1", line, 5), ("2", plane, (3, 9)), ("3", volume, (2, 3, 7))):
            both(f, f"area {label} {dtype}", "interpolate", lambda x: F.interpolate(channels_last(x), size, mode="area").contiguous(), dict(x=x), dict(size=size, mode="area"))
        for label, x, amounts in (("1", line, (2, 1)), ("2", plane, (1, 2, 3, 0)), ("2 less", plane, (-1, 2, 3, -2)), ("3", volume, (1, 2, 0, 1, 2, 1))):
            for value in (0, 1.37, -1e6):
                both(f, f"pad {label} {value} {dtype}", "pad", lambda x: F.pad(x, amounts, value=value).contiguous(),
                     dict(x=x), dict(amounts=amounts, value=value))
        for label, x, amounts in (("1", line, (3, 2)), ("2", plane, (1, 2, 3, 0)), ("2 unbatched", plane[0], (6, 5, 4, 1))):
            both(f, f"reflect {label} {dtype}", "pad", lambda x: F.pad(x, amounts, mode="reflect").contiguous(),
                 dict(x=x.contiguous()), dict(amounts=amounts, mode="reflect"))
        both(f, f"pixel shuffle {dtype}", "pixelShuffle", lambda x: F.pixel_shuffle(x, 2).contiguous(), dict(x=plane), dict(factor=2))
        both(f, f"pixel unshuffle {dtype}", "pixelUnshuffle", lambda x: F.pixel_unshuffle(x, 3).contiguous(), dict(x=f.quantized((2, 2, 6, 9), dtype)), dict(factor=3))
        if dtype == QUINT8:
            both(f, "channel shuffle", "channelShuffle", lambda x: F.channel_shuffle(x, 2).contiguous(), dict(x=plane), dict(factor=2))
        a, b = f.quantized((3, 4, 8), dtype, 0.05, zp), f.quantized((3, 4, 8), dtype, 0.13, zp + 9)
        both(f, f"cat {dtype}", "floatCat", lambda a, b: torch.cat([a, b], 1), dict(a=a, b=b), dict(dim=1))
        both(f, f"stack {dtype}", "stack", lambda a, b: torch.stack([a, b], -1), dict(a=a, b=b), dict(dim=-1))
        # PyTorch multiplies positive values by 1 rounded to the weight's grid, which has to hold it.
        low = 0 if dtype == QUINT8 else -128
        for channels, step in ((1, 0.01), (4, 0.01), (4, 0.013)):
            weight = f.quantized((channels,), dtype, step, low + 50)
            both(f, f"prelu {channels} {step} {dtype}", "floatPrelu", lambda x, weight: F.prelu(x, weight), dict(x=f.quantized((4, 4, 16), dtype, 0.05, zp), weight=weight))
        indices = torch.tensor([2, 0, 1])
        both(f, f"index {dtype}", "index", lambda x, indices: x[:, indices].contiguous(), dict(x=plane, indices=indices))
        both(f, f"masked fill {dtype}", "maskedFill", lambda x: x.masked_fill(x > 0.5, -0.77), dict(x=plane), dict(c=-0.77))
        both(f, f"repeat {dtype}", "repeat", lambda x: x.repeat(2, 1, 3), dict(x=line))
        both(f, f"argsort {dtype}", "argsort", lambda x: torch.argsort(x, stable=True), dict(x=line))
    wide = torch._make_per_tensor_quantized_tensor(f.randint(-100000, 100000, (1, 2, 5, 4), torch.int32), 0.013, 7)
    both(f, "bilinear qint32", "interpolate", lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear").contiguous(), dict(x=wide), dict(scale_factor=1.7, mode="bilinear"))
    f.save()


def moves():
    f = Family("moves")
    for dtype, zp in ZERO_POINTS.items():
        x, y = f.quantized((3, 4, 9), dtype, 0.05, zp), f.quantized((3, 4, 9), dtype, 0.13, zp + 9)
        table, indices = f.quantized((11, 5), dtype, 0.05, zp), f.randint(0, 10, (2, 3))
        for op, fn in (
            ("flip", lambda x: x.flip(0, 2)),
            ("unfold", lambda x: x.unfold(2, 4, 2)),
            ("chunk", lambda x: x.chunk(2, 2)[1]),
            ("split", lambda x: x.split([1, 3], 1)[1]),
            ("expand", lambda x: x[:, :1].expand(-1, 5, -1)),
            ("permute", lambda x: x.permute(2, 0, 1)),
            ("sort", lambda x: x.sort(dim=1, stable=True)[0]),
            ("sortIndices", lambda x: x.sort(dim=1, stable=True, descending=True)[1]),
            ("topk", lambda x: x.topk(3)[0]),
            ("maxDim", lambda x: x.max(1)[0]),
            ("minDim", lambda x: x.min(2, keepdim=True)[0]),
            ("min", lambda x: x.min()),
            ("dropout", lambda x: F.dropout(x, 0.5, False)),
            ("clone", lambda x: x.clone()),
            ("dequantize", lambda x: x.dequantize()),
        ):
            both(f, f"{op} {dtype}", op, lambda x: fn(x).contiguous(), dict(x=x))
        for op in ("eq", "ne", "lt", "le", "gt", "ge"):
            fn = getattr(torch, op)
            both(f, f"{op} {dtype}", op, lambda a, b: fn(a, b), dict(a=x, b=y))
            both(f, f"{op} number {dtype}", op, lambda a: fn(a, 0.35), dict(a=x), dict(c=0.35))
        both(f, f"embedding {dtype}", "embedding", lambda indices, table: F.embedding(indices, table), dict(indices=indices, table=table))
    f.save()


def functional():
    f = Family("functional")
    for dtype, zp in ZERO_POINTS.items():
        line, plane, volume = (f.quantized(s, dtype, 0.05, zp) for s in ((2, 3, 32), (2, 3, 11, 9), (1, 2, 5, 6, 7)))
        block = f.quantized((4, 64), dtype, 0.05, zp)

        def one(name, op, fn, x, kwargs=None):
            both(f, f"{name} {dtype}", f"functional.{op}", lambda x: fn(x).contiguous(), dict(x=x), kwargs)

        one("avg2", "avgPool2d", lambda x: QF.avg_pool2d(channels_last(x), 3), plane, dict(kernel_size=3))
        one("avg2 options", "avgPool2d", lambda x: QF.avg_pool2d(channels_last(x), (3, 2), 2, 1, True), plane, dict(kernel_size=(3, 2), stride=2, padding=1, ceil_mode=True))
        if dtype == QINT8:  # qnnpack ignores this for quint8
            one("avg2 uncounted", "avgPool2d", lambda x: QF.avg_pool2d(channels_last(x), 3, 2, 1, False, False), plane, dict(kernel_size=3, stride=2, padding=1, count_include_pad=False))
        one("avg3", "avgPool3d", lambda x: QF.avg_pool3d(channels_last(x), 2, None, 1, divisor_override=3), volume, dict(kernel_size=2, padding=1, divisor_override=3))
        one("adaptive2", "adaptiveAvgPool2d", lambda x: QF.adaptive_avg_pool2d(channels_last(x), (3, 5)), plane, dict(size=(3, 5)))
        one("adaptive3", "adaptiveAvgPool3d", lambda x: QF.adaptive_avg_pool3d(channels_last(x), (2, 3, 4)), volume, dict(size=(2, 3, 4)))
        one("max1", "maxPool1d", lambda x: QF.max_pool1d(x, 3, 2, 1), line, dict(kernel_size=3, stride=2, padding=1))
        one("max2", "maxPool2d", lambda x: QF.max_pool2d(x, 3), plane, dict(kernel_size=3))
        one("max2 dilated", "maxPool2d", lambda x: QF.max_pool2d(x, 2, 3, 0, 2, False), plane, dict(kernel_size=2, stride=3, dilation=2))
        one("interpolate", "interpolate", lambda x: QF.interpolate(x, scale_factor=2), plane, dict(scale_factor=2))
        one("interpolate bilinear", "interpolate", lambda x: QF.interpolate(x, (7, 4), mode="bilinear", align_corners=False), plane, dict(size=(7, 4), mode="bilinear", align_corners=False))
        one("upsample", "upsample", lambda x: QF.upsample(x, scale_factor=3), plane, dict(scale_factor=3))
        one("upsample bilinear", "upsampleBilinear", lambda x: QF.upsample_bilinear(x, scale_factor=2), plane, dict(scale_factor=2))
        one("upsample nearest", "upsampleNearest", lambda x: QF.upsample_nearest(x, (7, 13)), plane, dict(size=(7, 13)))
        out = zp + 11
        one("celu", "celu", lambda x: QF.celu(x, 0.03, out, 1.3), block, dict(scale=0.03, zero_point=out, alpha=1.3))
        one("elu", "elu", lambda x: QF.elu(x, 0.03, out), block, dict(scale=0.03, zero_point=out))
        one("elu alpha", "elu", lambda x: QF.elu(x, 0.03, out, 0.7), block, dict(scale=0.03, zero_point=out, alpha=0.7))
        one("leaky", "leakyRelu", QF.leaky_relu, block)
        one("leaky grid", "leakyRelu", lambda x: QF.leaky_relu(x, 0.2, scale=0.03, zero_point=out), block, dict(negative_slope=0.2, scale=0.03, zero_point=out))
        one("leaky in place", "leakyRelu", lambda x: QF.leaky_relu(x.clone(), 0.2, True), block, dict(negative_slope=0.2, inplace=True))
        one("hardtanh", "hardtanh", QF.hardtanh, block)
        one("hardtanh in place", "hardtanh", lambda x: QF.hardtanh(x.clone(), -0.33, 1.7, True), block, dict(min_val=-0.33, max_val=1.7, inplace=True))
        for scale in (0.03, 0.06):
            one(f"hardswish {scale}", "hardswish", lambda x: QF.hardswish(x, scale, out), block, dict(scale=scale, zero_point=out))
        one("threshold", "threshold", lambda x: QF.threshold(x, 0.5, -1.0), block, dict(limit=0.5, value=-1.0))
        one("hardsigmoid", "hardsigmoid", QF.hardsigmoid, block)
        one("hardsigmoid in place", "hardsigmoid", lambda x: QF.hardsigmoid(x.clone(), True), block, dict(inplace=True))
        one("clamp", "clamp", lambda x: QF.clamp(x, -0.3, 0.4), block, dict(min=-0.3, max=0.4))
    for engine in ENGINES:
        for label, x_args, w_args in variants(engine):
            if x_args.get("dtype") == QINT8:
                continue
            x, w, b = f.quantized((6, 20), **x_args), f.weight((5, 20), **w_args), f.randn(5)
            scale, zp = output_of(f, x, w, 20)
            f.case(f"linear {label}", "functional.linear", engine, lambda x, weight, bias: QF.linear(x, weight, bias, scale, zp),
                   dict(x=x, weight=w, bias=b), dict(scale=scale, zero_point=zp))
            f.case(f"linear {label} default", "functional.linear", engine, lambda x, weight: QF.linear(x, weight), dict(x=x, weight=w))
            for rank, x_shape, w_shape, options in ((1, (2, 4, 15), (6, 2, 3), dict(stride=2, padding=1, groups=2)), (2, (1, 4, 8, 7), (6, 4, 3, 2), dict(dilation=(1, 2), padding=(1, 0))),
                                                    (3, (1, 2, 5, 6, 4), (3, 2, 2, 3, 2), dict(stride=(1, 2, 1)))):
                x, w, b = f.quantized(x_shape, **x_args), f.weight(w_shape, **w_args), f.randn(w_shape[0])
                scale, zp = output_of(f, x, w, w[0].numel())
                fn = getattr(QF, f"conv{rank}d")
                f.case(f"conv{rank}d {label}", f"functional.conv{rank}d", engine, lambda x, weight, bias: fn(x, weight, bias, **options, scale=scale, zero_point=zp).contiguous(),
                       dict(x=x, weight=w, bias=b), dict(scale=scale, zero_point=zp, **options))
                if rank == 2:
                    f.case(f"conv2d {label} default", "functional.conv2d", engine, lambda x, weight: fn(x, weight, None).contiguous(), dict(x=x, weight=w))
    f.save()


def operators():
    f = Family("operators")
    for dtype, zp in ZERO_POINTS.items():
        # scales that make ties
        a, b = f.quantized((5, 64), dtype, 0.05, zp), f.quantized((5, 64), dtype, 0.02, zp + 9)
        into = lambda shape: torch._empty_affine_quantized(shape, scale=0.06, zero_point=zp - 5, dtype=dtype)
        grid = dict(scale=0.06, zero_point=zp - 5)
        for name in ("add", "mul"):
            for suffix, tail in (("", ""), ("_relu", "Relu")):
                fn = getattr(Q, f"{name}{suffix}_out")
                both(f, f"{name}{suffix}_out {dtype}", f"{name}{tail}Out", lambda a, b: fn(a, b, into((5, 64))), dict(a=a, b=b), grid)
                scalar = getattr(Q, f"{name}_scalar{suffix}_out")
                for c in (0.73, -2.5, 30.0):
                    both(f, f"{name}_scalar{suffix}_out {c} {dtype}", f"{name}Scalar{tail}Out", lambda x: scalar(x, c, into((5, 64))), dict(x=a), dict(c=c, **grid))
        for suffix, tail in (("", ""), ("_relu", "Relu")):
            fn = getattr(Q, f"cat{suffix}_out")
            both(f, f"cat{suffix}_out {dtype}", f"cat{tail}Out", lambda a, b: fn([a, b], 0, into((10, 64))), dict(a=a, b=b), dict(dim=0, **grid))
        line, plane = f.quantized((2, 3, 13), dtype, 0.05, zp), f.quantized((2, 3, 11, 9), dtype, 0.05, zp)
        both(f, f"max_pool1d {dtype}", "maxPool1d", lambda x: Q.max_pool1d(x, [3], [2], [1], [1], False), dict(x=line), dict(kernel_size=3, stride=2, padding=1))
        both(f, f"max_pool2d {dtype}", "maxPool2d", lambda x: Q.max_pool2d(x, [2, 3], [2, 1], [1, 1], [1, 1], False).contiguous(), dict(x=plane),
             dict(kernel_size=(2, 3), stride=(2, 1), padding=1))
    for name, rank, shape, options in (("conv2d", 1, (6, 2, 3), dict(stride=2, padding=1, dilation=3, groups=2)), ("conv2d", 2, (6, 4, 3, 3), dict(stride=(2, 1), padding=(1, 0), dilation=(1, 2))),
                                       ("conv3d", 3, (3, 2, 2, 3, 2), dict(stride=(1, 2, 1), padding=1))):
        weight = f.weight(shape)
        for what in ("stride", "padding", "output_padding", "dilation"):
            fn = getattr(Q, f"{name}_{what}")
            both(f, f"{name}_{what} {rank}", "accessor", lambda weight: torch.tensor(fn(packed_conv(rank, weight, None, options))),
                 dict(weight=weight), dict(rank=rank, what=camel(f"{name}_{what}"), transposed=False, **options))
        for what in ("groups", "transpose"):
            fn = getattr(Q, f"{name}_{what}")
            both(f, f"{name}_{what} {rank}", "accessor", lambda weight: torch.tensor([fn(packed_conv(rank, weight, None, options))]),
                 dict(weight=weight), dict(rank=rank, what=camel(f"{name}_{what}"), transposed=False, **options))
    for rank, shape, options in ((2, (6, 4, 3, 3), dict(stride=(2, 1), padding=(1, 0), output_padding=(1, 0), dilation=(1, 2), groups=2)), (3, (3, 2, 2, 3, 2), dict(stride=(1, 2, 1), output_padding=(0, 1, 0)))):
        weight = f.weight(shape)
        prepack = getattr(Q, f"conv_transpose{rank}d_prepack")
        packed = lambda weight: prepack(weight, None, *(listed(options.get(k, d), rank) for k, d in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))), options.get("groups", 1))
        for what in ("stride", "padding", "output_padding", "dilation", "groups", "transpose"):
            fn = getattr(Q, f"conv_transpose{rank}d_{what}")
            f.case(f"conv_transpose{rank}d_{what}", "accessor", "qnnpack", lambda weight: torch.tensor(fn(packed(weight))).reshape(-1),
                   dict(weight=weight), dict(rank=rank, what=camel(f"conv_transpose{rank}d_{what}"), transposed=True, **options))
    # PyTorch has these for fbgemm only: compared with a float product of the rounded operands.
    for relu in (False, True):
        x, w, b = f.randn(7, 24), f.weight((5, 24), per_channel=relu), f.randn(5)
        rounded = lambda x: torch.quantize_per_tensor(x, 0.023, 120, QUINT8).dequantize()
        f.case(f"linear on a grid {relu}", "linearWithInputQDqQweightDq" + ("Relu" if relu else "") + "OutputFp32", "onednn",
               lambda x, weight, bias: (F.relu if relu else (lambda y: y))(F.linear(rounded(x), weight.dequantize(), bias)),
               dict(x=x, weight=w, bias=b), dict(scale=0.023, zero_point=120), tolerance=1e-5)
    f.save()


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


for write in (resize, moves, functional, operators):
    write()
