"""Golden data for matrix products and the layers made of them."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("linear", seed=21)


def product(name, op, fn, a, b, raw=False, **kw):
    f.function(name, op, lambda a, b: fn(a, b), dict(a=a, b=b), kw, raw=raw)


product("mm", "mm", torch.mm, f.randn(3, 4), f.randn(4, 5))
product("mm_one", "mm", torch.mm, f.randn(1, 1), f.randn(1, 1))
product("mm_row_by_column", "mm", torch.mm, f.randn(1, 7), f.randn(7, 1))
product("mm_column_by_row", "mm", torch.mm, f.randn(6, 1), f.randn(1, 3))
product("mm_no_rows", "mm", torch.mm, f.randn(0, 4), f.randn(4, 5))
product("mm_no_inner", "mm", torch.mm, f.randn(2, 0), f.randn(0, 3))
product("mm_odd_sizes", "mm", torch.mm, f.randn(13, 17), f.randn(17, 11))
product("mm_int32", "mm", torch.mm, f.randint(-9, 9, (3, 4), torch.int32), f.randint(-9, 9, (4, 2), torch.int32))
product("mm_int32_wraps", "mm", torch.mm, f.randint(1 << 29, 1 << 30, (2, 5), torch.int32), f.randint(3, 1 << 30, (5, 2), torch.int32))
product("mm_int8_wraps", "mm", torch.mm, f.randint(-128, 128, (3, 9), torch.int8), f.randint(-128, 128, (9, 2), torch.int8))
product("mm_uint8_wraps", "mm", torch.mm, f.randint(0, 256, (2, 5), torch.uint8), f.randint(0, 256, (5, 3), torch.uint8))
product("mm_int64", "mm", torch.mm, f.randint(-1 << 20, 1 << 20, (3, 4)), f.randint(-1 << 20, 1 << 20, (4, 2)))
product("mm_half", "mm", torch.mm, f.randn(3, 4).half(), f.randn(4, 5).half(), raw=True)
product("bmm", "bmm", torch.bmm, f.randn(2, 3, 4), f.randn(2, 4, 5))
product("bmm_empty_batch", "bmm", torch.bmm, f.randn(0, 3, 4), f.randn(0, 4, 5))
product("mv", "mv", torch.mv, f.randn(3, 4), f.randn(4))
product("dot", "dot", torch.dot, f.randn(5), f.randn(5))
product("dot_empty", "dot", torch.dot, f.randn(0), f.randn(0))
product("dot_int64", "dot", torch.dot, f.randint(-9, 9, (4,)), f.randint(-9, 9, (4,)))
product("outer", "outer", torch.outer, f.randn(3), f.randn(4))

for name, a, b in [
    ("1d_1d", (4,), (4,)), ("2d_1d", (3, 4), (4,)), ("1d_2d", (4,), (4, 5)), ("2d_2d", (3, 4), (4, 5)),
    ("3d_1d", (2, 3, 4), (4,)), ("1d_3d", (4,), (2, 4, 5)), ("3d_2d", (2, 3, 4), (4, 5)), ("2d_3d", (3, 4), (2, 4, 5)),
    ("3d_3d", (2, 3, 4), (2, 4, 5)), ("3d_3d_stretched", (1, 3, 4), (2, 4, 5)), ("4d_3d", (2, 3, 2, 4), (3, 4, 2)),
    ("4d_4d_stretched", (2, 1, 2, 3), (1, 3, 3, 2)), ("4d_2d", (2, 1, 3, 4), (4, 2)), ("4d_1d", (2, 2, 3, 4), (4,)),
    ("empty_batch", (0, 3, 4), (4, 5)),
]:
    product(f"matmul_{name}", "matmul", torch.matmul, f.randn(*a), f.randn(*b))

# Views as factors: `transposed_*` says which operand the function transposes before it multiplies.
for name, a, b, ta, tb in [
    ("left", (4, 3), (4, 5), True, False), ("right", (3, 4), (5, 4), False, True), ("both", (4, 3), (5, 4), True, True),
    ("right_3d", (2, 3, 4), (2, 5, 4), False, True), ("left_3d", (2, 4, 3), (2, 4, 5), True, False),
    ("right_4d", (2, 2, 3, 4), (2, 2, 5, 4), False, True),
]:
    product(f"matmul_transposed_{name}", "matmul",
            lambda a, b, ta=ta, tb=tb: torch.matmul(a.mT if ta else a, b.mT if tb else b), f.randn(*a), f.randn(*b),
            transposed_left=ta, transposed_right=tb)


def add_product(name, op, fn, input, a, b, **kw):
    f.function(name, op, lambda input, a, b: fn(input, a, b, **kw), dict(input=input, a=a, b=b), kw)


add_product("addmm", "addmm", torch.addmm, f.randn(3, 5), f.randn(3, 4), f.randn(4, 5))
add_product("addmm_vector", "addmm", torch.addmm, f.randn(5), f.randn(3, 4), f.randn(4, 5), beta=0.5, alpha=-2.0)
add_product("addmm_scalar", "addmm", torch.addmm, f.randn(1).reshape(()), f.randn(3, 4), f.randn(4, 5), alpha=3.0)
add_product("addmv", "addmv", torch.addmv, f.randn(3), f.randn(3, 4), f.randn(4), beta=2.0, alpha=0.5)
add_product("addr", "addr", torch.addr, f.randn(3, 4), f.randn(3), f.randn(4), beta=2.0, alpha=0.5)
add_product("baddbmm", "baddbmm", torch.baddbmm, f.randn(2, 3, 5), f.randn(2, 3, 4), f.randn(2, 4, 5), beta=0.5, alpha=2.0)
add_product("baddbmm_stretched", "baddbmm", torch.baddbmm, f.randn(1, 5), f.randn(2, 3, 4), f.randn(2, 4, 5))


def linear(name, input, weight, bias=None, raw=False):
    inputs = dict(input=input, weight=weight, **({} if bias is None else dict(bias=bias)))
    f.function(name, "linear", lambda **i: F.linear(**i), inputs, raw=raw)


linear("linear", f.randn(3, 4), f.randn(5, 4), f.randn(5))
linear("linear_no_bias", f.randn(3, 4), f.randn(5, 4))
linear("linear_vector", f.randn(4), f.randn(5, 4), f.randn(5))
linear("linear_4d", f.randn(2, 1, 3, 4), f.randn(5, 4), f.randn(5))
linear("linear_empty", f.randn(0, 4), f.randn(5, 4), f.randn(5))
linear("linear_one_output", f.randn(6, 9), f.randn(1, 9), f.randn(1))
linear("linear_half", f.randn(3, 4).half(), f.randn(5, 4).half(), f.randn(5).half(), raw=True)


def bilinear(name, *inputs):
    names = ["input1", "input2", "weight", "bias"]
    f.function(name, "bilinear", lambda **i: F.bilinear(**i), dict(zip(names, inputs)))


bilinear("bilinear", f.randn(3, 4), f.randn(3, 2), f.randn(5, 4, 2), f.randn(5))
bilinear("bilinear_3d_no_bias", f.randn(2, 3, 4), f.randn(2, 3, 2), f.randn(5, 4, 2))
bilinear("bilinear_vector", f.randn(4), f.randn(2), f.randn(5, 4, 2), f.randn(5))

f.module("Linear", "Linear", lambda: nn.Linear(4, 3), dict(input=f.randn(2, 4)), [4, 3])
f.module("Linear_3d_no_bias", "Linear", lambda: nn.Linear(4, 3, bias=False), dict(input=f.randn(2, 5, 4)), [4, 3], dict(bias=False))
f.module("Bilinear", "Bilinear", lambda: nn.Bilinear(4, 2, 3), dict(input1=f.randn(5, 4), input2=f.randn(5, 2)), [4, 2, 3])
f.save()
