"""Golden data for convolutions, transposed convolutions and padding: functions and modules in one, two and three dimensions."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("conv", seed=31)
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def run(family, op, rank, name, input, weight, bias, raw, kw):
    inputs = dict(input=f.randn(*input), weight=f.randn(*weight))
    if bias:
        inputs["bias"] = f.randn(bias)
    if raw:
        inputs = {k: v.half() for k, v in inputs.items()}
    # PyTorch adds half-precision gradients up in half precision; Octet rounds once, so they are compared in float32 only.
    f.function(name, f"{op}{rank}d", lambda **i: family[rank](**i, **kw), inputs, kw, [] if raw else None, raw=raw)


def conv(name, input, weight, bias=0, raw=False, **kw):
    rank = len(weight) - 2
    run(CONV, "conv", rank, f"conv{rank}d_{name}", input, weight, bias, raw, kw)


def transposed(name, input, weight, bias=0, **kw):
    rank = len(weight) - 2
    run(TRANSPOSED, "convTranspose", rank, f"conv_transpose{rank}d_{name}", input, weight, bias, False, kw)


conv("plain", (2, 3, 8), (4, 3, 3), 4)
conv("unbatched", (3, 8), (4, 3, 3), 4)
conv("pointwise", (2, 3, 5), (4, 3, 1), 4)
conv("stride_padding", (2, 3, 9), (4, 3, 4), 4, stride=3, padding=2)
conv("dilation", (2, 2, 11), (3, 2, 3), stride=2, padding=3, dilation=3)
conv("groups", (2, 4, 7), (6, 2, 3), 6, groups=2, padding=1)
conv("depthwise", (2, 3, 7), (6, 1, 3), 6, groups=3, padding=1)
conv("same", (1, 2, 7), (3, 2, 3), 3, padding="same")
conv("same_even", (1, 2, 7), (3, 2, 4), 3, padding="same", dilation=2)
conv("valid", (1, 2, 7), (3, 2, 4), 3, padding="valid")
conv("kernel_fills_input", (2, 2, 5), (3, 2, 5), 3)
conv("empty_batch", (0, 2, 5), (3, 2, 3), 3)

conv("plain", (2, 3, 6, 7), (4, 3, 3, 3), 4)
conv("no_bias", (2, 3, 6, 7), (4, 3, 3, 2))
conv("unbatched", (3, 6, 7), (4, 3, 3, 3), 4)
conv("pointwise", (2, 5, 4, 3), (6, 5, 1, 1), 6)
conv("pointwise_stride", (2, 3, 5, 5), (4, 3, 1, 1), 4, stride=2)
conv("stride", (2, 3, 7, 8), (4, 3, 3, 3), 4, stride=2)
conv("padding", (2, 3, 5, 5), (4, 3, 3, 3), 4, padding=1)
conv("stride_padding", (1, 3, 9, 9), (4, 3, 5, 5), 4, stride=2, padding=2)
conv("uneven", (1, 2, 9, 8), (3, 2, 4, 2), 3, stride=[2, 3], padding=[1, 2], dilation=[2, 1])
conv("dilation", (2, 2, 9, 9), (3, 2, 3, 3), dilation=2, padding=2)
conv("groups", (2, 4, 5, 6), (6, 2, 3, 3), 6, groups=2, padding=1)
conv("depthwise", (2, 4, 6, 6), (4, 1, 3, 3), 4, groups=4, padding=1)
conv("depthwise_stride", (2, 4, 7, 7), (8, 1, 3, 3), 8, groups=4, stride=2, padding=1)
conv("groups_dilation", (1, 4, 8, 8), (4, 2, 3, 3), 4, groups=2, dilation=2, stride=2, padding=2)
conv("same", (1, 2, 5, 6), (3, 2, 3, 3), 3, padding="same")
conv("same_even", (1, 2, 5, 6), (3, 2, 2, 4), 3, padding="same", dilation=[2, 1])
conv("large_padding", (1, 1, 3, 3), (2, 1, 2, 2), 2, padding=4)
conv("one_channel", (3, 1, 6, 6), (1, 1, 3, 3), 1)
conv("wide", (1, 3, 4, 19), (9, 3, 3, 3), 9, padding=1)
conv("empty_batch", (0, 2, 5, 5), (3, 2, 3, 3), 3)
conv("half", (1, 2, 5, 5), (3, 2, 3, 3), 3, raw=True, padding=1)

conv("plain", (1, 2, 4, 5, 4), (3, 2, 2, 3, 2), 3)
conv("unbatched", (2, 4, 4, 4), (3, 2, 3, 3, 3), 3)
conv("stride_padding", (1, 2, 5, 5, 5), (3, 2, 3, 3, 3), 3, stride=2, padding=1)
conv("groups_dilation", (1, 4, 5, 5, 5), (4, 2, 2, 2, 2), 4, groups=2, dilation=[2, 1, 3], padding=[0, 1, 1])
conv("same", (1, 1, 3, 4, 3), (2, 1, 2, 3, 2), 2, padding="same")

transposed("plain", (2, 3, 5), (3, 4, 3), 4)
transposed("unbatched", (3, 5), (3, 4, 3), 4)
transposed("stride_output_padding", (2, 3, 5), (3, 2, 4), 2, stride=3, padding=1, output_padding=2)
transposed("groups_dilation", (1, 4, 5), (4, 3, 3), 6, groups=2, dilation=2, padding=1)
transposed("dilation_output_padding", (1, 2, 5), (2, 3, 3), 3, dilation=3, output_padding=2)
transposed("plain", (2, 3, 4, 5), (3, 4, 3, 3), 4)
transposed("no_bias", (2, 3, 4, 5), (3, 4, 2, 3))
transposed("stride_padding", (1, 3, 4, 4), (3, 2, 4, 4), 2, stride=2, padding=1)
transposed("output_padding", (1, 3, 4, 4), (3, 2, 3, 3), 2, stride=[2, 3], padding=1, output_padding=[1, 2])
transposed("groups", (2, 4, 3, 3), (4, 3, 3, 3), 6, groups=2, stride=2)
transposed("depthwise", (2, 4, 3, 3), (4, 1, 3, 3), 4, groups=4, stride=2, padding=1)
transposed("dilation", (1, 2, 4, 4), (2, 3, 3, 3), 3, dilation=2, padding=2)
transposed("pointwise", (1, 2, 4, 4), (2, 3, 1, 1), 3)
transposed("stride_output_padding", (1, 2, 3, 2, 3), (2, 3, 2, 3, 2), 3, stride=2, padding=[0, 1, 0], output_padding=[1, 0, 1])
transposed("groups", (1, 4, 2, 3, 2), (4, 1, 2, 2, 2), 2, groups=2)


def pad(name, shape, amounts, raw=False, **kw):
    x = f.randint(-9, 9, shape) if raw else f.randn(*shape)
    f.function(name, "pad", lambda x: F.pad(x, amounts, **kw), dict(x=x), dict(pad=amounts, **kw), raw=raw)


pad("pad_last", (2, 3), [1, 2])
pad("pad_value", (2, 3), [1, 0, 0, 2], value=-1.5)
pad("pad_all_dimensions", (2, 3, 2), [1, 1, 0, 2, 1, 0], value=2.0)
pad("pad_crop", (4, 5), [-1, -2, 1, -1])
pad("pad_crop_to_nothing", (4, 5), [-2, -3])
pad("pad_crop_all_and_add", (2, 3), [-3, 2], value=1.0)
pad("pad_int64", (2, 3), [1, 1], raw=True, value=7)
pad("pad_nothing", (2, 3), [0, 0])
for mode in ("reflect", "replicate", "circular"):
    pad(f"pad_{mode}_1d", (2, 3, 5), [2, 3], mode=mode)
    pad(f"pad_{mode}_1d_unbatched", (3, 5), [4, 1], mode=mode)
    pad(f"pad_{mode}_2d", (2, 1, 4, 3), [1, 2, 3, 0], mode=mode)
    pad(f"pad_{mode}_3d", (1, 2, 3, 3, 4), [1, 2, 0, 1, 2, 1], mode=mode)
    pad(f"pad_{mode}_crop", (1, 2, 6, 5), [-1, 2, 1, -2], mode=mode)
pad("pad_replicate_far", (1, 1, 3), [7, 5], mode="replicate")


def module(name, make, shape, args, **kw):
    """The module `name` of torch.nn; variants are told apart by what follows an underscore."""
    op = name.split("_")[0]
    f.module(name, op, make or (lambda: getattr(nn, op)(*args, **kw)), dict(input=f.randn(*shape)), args, kw)


module("Conv1d", None, (2, 3, 7), [3, 4, 3], stride=2, padding=1)
module("Conv1d_circular", None, (2, 3, 7), [3, 4, 3], padding=2, padding_mode="circular")
module("Conv2d", None, (2, 3, 6, 6), [3, 4, 3], padding=1)
module("Conv2d_options", None, (1, 4, 8, 7), [4, 6, [3, 2]], stride=[2, 1], padding=[1, 0], dilation=[1, 2], groups=2, bias=False)
module("Conv2d_reflect", None, (1, 2, 5, 6), [2, 3, [3, 2]], padding=[2, 1], padding_mode="reflect")
module("Conv2d_replicate", None, (1, 2, 5, 6), [2, 3, 3], padding=1, stride=2, padding_mode="replicate")
module("Conv2d_circular", None, (1, 2, 5, 6), [2, 3, 3], padding=[1, 2], padding_mode="circular")
module("Conv2d_same_reflect", None, (1, 2, 5, 6), [2, 3, [2, 4]], padding="same", padding_mode="reflect")
module("Conv2d_same", None, (1, 2, 5, 6), [2, 3, [2, 3]], padding="same")
module("Conv2d_valid_reflect", None, (1, 2, 5, 6), [2, 3, 3], padding="valid", padding_mode="reflect")
module("Conv3d", None, (1, 2, 4, 4, 4), [2, 3, 2], padding=1)
module("Conv3d_replicate", None, (1, 2, 3, 3, 4), [2, 2, [2, 3, 2]], padding=[0, 1, 1], padding_mode="replicate")
module("ConvTranspose1d", None, (2, 3, 5), [3, 4, 3], stride=2, output_padding=1)
module("ConvTranspose2d", None, (1, 4, 4, 4), [4, 6, 3], stride=2, padding=1, output_padding=1, groups=2)
module("ConvTranspose3d", None, (1, 2, 3, 2, 2), [2, 3, 2], stride=2, bias=False)
f.module("ConvTranspose2d_output_size", "ConvTranspose2d", lambda: nn.ConvTranspose2d(2, 3, 3, stride=3, padding=1),
         dict(input=f.randn(1, 2, 3, 4)), [2, 3, 3], dict(stride=3, padding=1), call=lambda m, input: m(input, output_size=[9, 11]))

for rank, shape in [(1, (2, 3, 5)), (2, (1, 2, 4, 5)), (3, (1, 2, 3, 4, 3))]:
    amounts = [1, 2, 2, 1, 0, 1][:2 * rank]
    for op in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
        module(f"{op}{rank}d", None, shape, [amounts])
    module(f"ConstantPad{rank}d", None, shape, [amounts, 3.5])
module("ReflectionPad2d_one_amount", None, (2, 4, 5), [2])
module("ZeroPad2d_crop", None, (2, 4, 5), [[-1, 1, 0, -2]])
f.save()
