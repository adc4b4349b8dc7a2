"""Golden data for pooling: max, average and adaptive, functions and modules in one, two and three dimensions."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("pool", seed=51)
SHAPES = {1: (2, 3, 9), 2: (2, 3, 7, 6), 3: (1, 2, 5, 4, 6)}


def pool(op, fn, name, x, kernel, raw=False, **kw):
    f.function(name, op, lambda input: fn(input, kernel, **kw), dict(input=x), dict(kernel_size=kernel, **kw), raw=raw)


def max_pool(rank, name, x, kernel, raw=False, **kw):
    pool(f"maxPool{rank}d", getattr(F, f"max_pool{rank}d"), f"max_pool{rank}d_{name}", x, kernel, raw, **kw)


def avg_pool(rank, name, x, kernel, **kw):
    pool(f"avgPool{rank}d", getattr(F, f"avg_pool{rank}d"), f"avg_pool{rank}d_{name}", x, kernel, **kw)


for rank, shape in SHAPES.items():
    x = f.randn(*shape)
    max_pool(rank, "plain", x, 2)
    max_pool(rank, "unbatched", f.randn(*shape[1:]), 2)
    max_pool(rank, "stride_padding", x, 3, stride=2, padding=1)
    max_pool(rank, "dilation", x, 2, stride=1, dilation=2, padding=1)
    max_pool(rank, "ceil", x, 2, stride=2, ceil_mode=True)
    max_pool(rank, "ceil_padding", x, 3, stride=2, padding=1, ceil_mode=True)
    max_pool(rank, "indices", x, 3, stride=1, padding=1, return_indices=True)
    avg_pool(rank, "plain", x, 2)
    avg_pool(rank, "unbatched", f.randn(*shape[1:]), 2)
    avg_pool(rank, "stride_padding", x, 3, stride=2, padding=1)
    avg_pool(rank, "excluding_padding", x, 3, stride=2, padding=1, count_include_pad=False)
    avg_pool(rank, "ceil", x, 2, stride=2, ceil_mode=True)
    avg_pool(rank, "ceil_padding", x, 3, stride=2, padding=1, ceil_mode=True)
    avg_pool(rank, "ceil_excluding_padding", x, 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
    if rank > 1:
        avg_pool(rank, "divisor", x, 3, stride=2, padding=1, divisor_override=5)
max_pool(2, "uneven", f.randn(1, 2, 9, 8), [3, 2], stride=[2, 3], padding=[1, 0], dilation=[1, 2])
max_pool(2, "empty_batch", f.randn(0, 2, 4, 4), 2)
max_pool(2, "ties", torch.ones(1, 1, 4, 4), 2, return_indices=True)
max_pool(2, "nan", torch.tensor([[[1.0, float("nan"), 2, 3], [float("-inf"), 4, float("-inf"), float("-inf")]]]), 2, return_indices=True)
max_pool(1, "minus_infinity", torch.full((1, 1, 4), float("-inf")), 3, stride=2, padding=1, return_indices=True)
max_pool(2, "int64", f.randint(-50, 50, (1, 2, 4, 5)), [2, 3])
max_pool(2, "half", f.randn(1, 2, 4, 4).half(), 2, raw=True)
avg_pool(2, "uneven", f.randn(1, 2, 9, 8), [3, 2], stride=[2, 3], padding=[1, 0])
avg_pool(2, "ceil_over_the_end", f.randn(1, 1, 6, 7), 4, stride=3, padding=2, ceil_mode=True)


def adaptive(kind, rank, name, x, size, **kw):
    fn = getattr(F, f"adaptive_{kind.lower()}_pool{rank}d")
    f.function(f"adaptive_{kind.lower()}_pool{rank}d_{name}", f"adaptive{kind}Pool{rank}d", lambda input: fn(input, size, **kw),
               dict(input=x), dict(output_size=size, **kw))


for rank, shape in SHAPES.items():
    x = f.randn(*shape)
    adaptive("Avg", rank, "one", x, 1)
    adaptive("Avg", rank, "uneven", x, 4)
    adaptive("Avg", rank, "larger", x, 8)
    adaptive("Avg", rank, "unbatched", f.randn(*shape[1:]), 3)
    adaptive("Max", rank, "one", x, 1)
    adaptive("Max", rank, "uneven", x, 4)
    adaptive("Max", rank, "indices", x, 4, return_indices=True)
    adaptive("Max", rank, "unbatched", f.randn(*shape[1:]), 3)
adaptive("Avg", 2, "divides", f.randn(2, 2, 6, 8), [3, 2])
adaptive("Avg", 2, "none", f.randn(2, 2, 6, 5), [None, 2])
adaptive("Avg", 3, "none", f.randn(1, 2, 3, 6, 5), [2, None, 5])
adaptive("Max", 2, "divides", f.randn(2, 2, 6, 8), [3, 2], return_indices=True)
adaptive("Max", 2, "none", f.randn(2, 2, 6, 5), [4, None])
adaptive("Max", 2, "nan", torch.tensor([[[1.0, float("nan"), 2, 3, 5], [0, 4, 1, 1, 1]]]), [1, 3], return_indices=True)


def module(name, shape, args, **kw):
    op = name.split("_")[0]
    f.module(name, op, lambda: getattr(nn, op)(*args, **kw), dict(input=f.randn(*shape)), args, kw)


for rank, shape in SHAPES.items():
    module(f"MaxPool{rank}d", shape, [2])
    module(f"MaxPool{rank}d_options", shape, [3], stride=2, padding=1, ceil_mode=True, return_indices=True)
    module(f"AvgPool{rank}d", shape, [2])
    module(f"AvgPool{rank}d_options", shape, [3], stride=2, padding=1, ceil_mode=True, count_include_pad=False)
    module(f"AdaptiveAvgPool{rank}d", shape, [2])
    module(f"AdaptiveMaxPool{rank}d", shape, [2])
    module(f"AdaptiveMaxPool{rank}d_indices", shape, [4], return_indices=True)
module("MaxPool2d_dilation", (1, 2, 8, 8), [[2, 3]], stride=[1, 2], dilation=[2, 1])
module("AvgPool2d_divisor", (1, 2, 8, 8), [[2, 3]], divisor_override=4)
module("AdaptiveAvgPool2d_none", (1, 2, 8, 7), [[None, 3]])
f.save()
