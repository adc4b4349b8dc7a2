"""Golden data for interpolation and the shuffles of channels and pixels: functions and modules."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("upsample", seed=61)


def interpolate(name, shape, **kw):
    f.function(f"interpolate_{name}", "interpolate", lambda input: F.interpolate(input, **kw), dict(input=f.randn(*shape)), kw)


for rank, shape, mode in [(1, (2, 2, 5), "linear"), (2, (1, 2, 4, 5), "bilinear"), (3, (1, 1, 2, 3, 4), "trilinear"), (2, (1, 2, 4, 5), "bicubic")]:
    size = [7, 9, 6][:rank]
    smaller = [2, 3, 2][:rank]
    for corners in (False, True, None):
        tag = {False: "", True: "_corners", None: "_default"}[corners]
        interpolate(f"{mode}_up{tag}", shape, size=size, mode=mode, align_corners=corners)
        interpolate(f"{mode}_down{tag}", shape, size=smaller, mode=mode, align_corners=corners)
        interpolate(f"{mode}_factor{tag}", shape, scale_factor=1.7, mode=mode, align_corners=corners)
    interpolate(f"{mode}_recomputed", shape, scale_factor=1.7, mode=mode, recompute_scale_factor=True)
    interpolate(f"{mode}_to_one", shape, size=1, mode=mode, align_corners=True)
    interpolate(f"{mode}_same_size", shape, size=shape[2:], mode=mode)
for rank, shape in [(1, (2, 2, 5)), (2, (1, 2, 4, 5)), (3, (1, 1, 2, 3, 4))]:
    for mode in ("nearest", "nearest-exact"):
        interpolate(f"{mode}{rank}d_up", shape, size=[7, 9, 6][:rank], mode=mode)
        interpolate(f"{mode}{rank}d_down", shape, size=2, mode=mode)
        interpolate(f"{mode}{rank}d_double", shape, scale_factor=2, mode=mode)
        # In three dimensions PyTorch 2.6's gradient mixes the factors of the dimensions up: only equal ones are a reference.
        interpolate(f"{mode}{rank}d_factor", shape, scale_factor=[1.7, 2.3] if rank == 2 else [1.7] * rank, mode=mode)
    interpolate(f"area{rank}d", shape, size=[3, 2, 3][:rank], mode="area")
interpolate("default_mode", (1, 2, 4, 5), scale_factor=[2.0, 1.5])
interpolate("nearest_recomputed", (1, 2, 4, 5), scale_factor=1.6, recompute_scale_factor=True)
interpolate("empty_batch", (0, 2, 4, 5), size=3)


def nearest_sweep(mode, lengths, outs):
    """Which neighbour is nearest depends on the rounding of float32; sizes are chosen to hit many such cases."""
    for n in lengths:
        x = torch.arange(n, dtype=torch.float32).reshape(1, 1, n)
        for out in outs:
            f.function(f"interpolate_{mode}_{n}_to_{out}", "interpolate", lambda input: F.interpolate(input, size=out, mode=mode),
                       dict(input=x), dict(size=out, mode=mode), differentiable=[])


nearest_sweep("nearest", [3, 7, 49], [13, 41, 98])
nearest_sweep("nearest-exact", [3, 7, 49], [13, 41, 98])
for factor in (1.1, 1.3, 2.2, 2.7, 3.3, 0.7, 0.3):
    f.function(f"interpolate_nearest_by_{factor}", "interpolate", lambda input: F.interpolate(input, scale_factor=factor),
               dict(input=torch.arange(30, dtype=torch.float32).reshape(1, 1, 30)), dict(scale_factor=factor), differentiable=[])

f.function("pixel_shuffle", "pixelShuffle", lambda input: F.pixel_shuffle(input, 2), dict(input=f.randn(2, 8, 2, 3)), dict(upscale_factor=2))
f.function("pixel_shuffle_3d", "pixelShuffle", lambda input: F.pixel_shuffle(input, 3), dict(input=f.randn(9, 2, 1)), dict(upscale_factor=3))
f.function("pixel_shuffle_5d", "pixelShuffle", lambda input: F.pixel_shuffle(input, 2), dict(input=f.randn(2, 1, 4, 2, 2)),
           dict(upscale_factor=2))
f.function("pixel_unshuffle", "pixelUnshuffle", lambda input: F.pixel_unshuffle(input, 2), dict(input=f.randn(2, 3, 4, 6)),
           dict(downscale_factor=2))
f.function("channel_shuffle", "channelShuffle", lambda input: F.channel_shuffle(input, 3), dict(input=f.randn(2, 6, 2, 2)), dict(groups=3))
f.function("channel_shuffle_1d", "channelShuffle", lambda input: F.channel_shuffle(input, 2), dict(input=f.randn(1, 4, 3)), dict(groups=2))


def module(name, shape, args=(), **kw):
    op = name.split("_")[0]
    f.module(name, op, lambda: getattr(nn, op)(*args, **kw), dict(input=f.randn(*shape)), args, kw)


module("Upsample", (1, 2, 3, 4), scale_factor=2)
module("Upsample_size", (1, 2, 3, 4), size=[5, 7], mode="bilinear", align_corners=True)
module("Upsample_1d", (1, 2, 3), scale_factor=1.5, mode="linear", recompute_scale_factor=True)
module("UpsamplingNearest2d", (1, 2, 3, 4), scale_factor=2)
module("UpsamplingBilinear2d", (1, 2, 3, 4), size=[4, 7])
module("PixelShuffle", (1, 8, 2, 3), [2])
module("PixelUnshuffle", (1, 2, 4, 6), [2])
module("ChannelShuffle", (1, 4, 2, 3), [2])
f.save()
