"""Golden cases of src/ops/elementwise.ts: broadcasting, gradients, dtype promotion, edges."""
import torch
from common import Family

f = Family("elementwise", seed=1)
INF, NAN = float("inf"), float("nan")


def case(name, op, fn, inputs, kwargs=None, **options):
    """A function case whose inputs are passed by position."""
    f.function(name, op, lambda **i: fn(*i.values()), inputs, kwargs, **options)


def away(x, *points, by=0.05):
    """x, with elements that lie close to one of `points` moved away from it, so that finite differences mean something."""
    for p in points:
        near = (x - p).abs() < by
        x = torch.where(near, p + 2 * by, x)
    return x


# ---------------------------------------------------------------- two operands, float: gradients and broadcasting

def nonzero(*shape):
    return away(f.randn(*shape), 0.0, by=0.3)


def positive(*shape):
    return f.rand(*shape) * 3 + 0.2


def spread(*shape):
    """Values whose differences, quotients and multiples stay off the jumps of floor."""
    n = torch.Size(shape).numel()
    return (torch.arange(n, dtype=torch.float32).reshape(shape) * 1.3717 + 0.6131) * torch.where(f.rand(*shape) < 0.5, -1.0, 1.0)


BINARY = {  # name: (function, makes a, makes b)
    "add": (torch.add, f.randn, f.randn), "sub": (torch.sub, f.randn, f.randn), "mul": (torch.mul, f.randn, f.randn),
    "div": (torch.div, f.randn, nonzero), "pow": (torch.pow, positive, f.randn),
    "maximum": (torch.maximum, f.randn, f.randn), "minimum": (torch.minimum, f.randn, f.randn),
    "atan2": (torch.atan2, nonzero, nonzero), "remainder": (torch.remainder, spread, nonzero), "fmod": (torch.fmod, spread, nonzero),
}
for op, (fn, make_a, make_b) in BINARY.items():
    call = lambda a, b, fn=fn: fn(a, b)
    case(f"{op}_same", op, call, dict(a=make_a(2, 3, 4), b=make_b(2, 3, 4)))
    case(f"{op}_row", op, call, dict(a=make_a(2, 3, 4), b=make_b(4)))
    case(f"{op}_outer", op, call, dict(a=make_a(3, 1), b=make_b(2, 1, 5)))
    case(f"{op}_scalar", op, call, dict(a=make_a(2, 3), b=make_b()))
    case(f"{op}_scalar_first", op, call, dict(a=make_a(), b=make_b(2, 3)))
    case(f"{op}_empty", op, call, dict(a=make_a(0, 3), b=make_b(3)))
for op, number in dict(add=2.5, sub=-3, mul=0.1, div=0.3, remainder=0.7, fmod=-1.3).items():
    fn, make_a, _ = BINARY[op]
    case(f"{op}_number", op, lambda a, fn=fn, n=number: fn(a, n), dict(a=make_a(2, 3)), dict(other=number))
for exponent in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5, 7):
    case(f"pow_number_{exponent}", "pow", lambda a, e=exponent: a ** e, dict(a=positive(5)), dict(other=exponent))
case("pow_negative_base", "pow", lambda a: a ** 3, dict(a=f.randn(6)), dict(other=3))
case("pow_zero_base", "pow", torch.pow, dict(a=torch.zeros(4), b=torch.tensor([0.0, 1.0, 2.0, 0.5])))
case("pow_number_base", "pow", lambda b: 2.0 ** b, dict(b=f.randn(5)), dict(base=2.0))
case("rsub_number", "sub", lambda b: 1 - b, dict(b=f.randn(5)), dict(base=1))
case("reciprocal_of_number", "div", lambda b: 3 / b, dict(b=nonzero(5)), dict(base=3))
for op in ("add", "sub"):
    fn = getattr(torch, op)
    case(f"{op}_alpha", op, lambda a, b, fn=fn: fn(a, b, alpha=0.3), dict(a=f.randn(2, 3), b=f.randn(3)), dict(alpha=0.3))
    case(f"{op}_alpha_number", op, lambda a, fn=fn: fn(a, 2, alpha=3), dict(a=f.randn(2, 3)), dict(other=2, alpha=3))
ties = torch.tensor([1.0, 2.0, 3.0, -0.0])
for op in ("maximum", "minimum"):
    case(f"{op}_ties", op, lambda a, b, fn=getattr(torch, op): fn(a, b), dict(a=ties, b=torch.tensor([1.0, 3.0, 2.0, 0.0])))
    case(f"{op}_nan", op, lambda a, b, fn=getattr(torch, op): fn(a, b),
               dict(a=torch.tensor([NAN, 1.0, INF]), b=torch.tensor([1.0, NAN, -INF])), differentiable=[])
for mode in ("floor", "trunc"):
    case(f"div_{mode}", "div", lambda a, b, m=mode: torch.div(a, b, rounding_mode=m), dict(a=spread(3, 4), b=nonzero(4)),
        dict(rounding_mode=mode))
case("floor_divide", "floorDivide", torch.floor_divide, dict(a=spread(3, 4), b=nonzero(4)), differentiable=[])
edge = torch.tensor([5.5, -5.5, 0.0, -0.0, 1.0, INF, -INF, NAN])
for op, name in dict(div="div", remainder="remainder", fmod="fmod", floor_divide="floorDivide", pow="pow", atan2="atan2").items():
    case(f"{op}_edges", name, lambda a, b, fn=getattr(torch, op): fn(a, b), dict(a=edge[:, None], b=edge[None]), differentiable=[])

# ---------------------------------------------------------------- dtypes

CLASSES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "i64": torch.int64, "i32": torch.int32,
           "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool}
VALUES = torch.tensor([3, 1, 7, 2, 5])
for an, a in CLASSES.items():
    for bn, b in CLASSES.items():
        case(f"add_{an}_{bn}", "add", torch.add, dict(a=VALUES.to(a), b=VALUES.flip(0).to(b)), differentiable=[], raw=True)
        case(f"mul_{an}_0d_{bn}", "mul", torch.mul, dict(a=VALUES.to(a), b=torch.tensor(3).to(b)), differentiable=[], raw=True)
    for number in (2, 0.5, True):
        case(f"mul_{an}_number_{number}", "mul", lambda a, n=number: a * n, dict(a=VALUES.to(a)), dict(other=number),
                   differentiable=[], raw=True)
    case(f"div_{an}", "div", torch.div, dict(a=VALUES.to(a), b=VALUES.flip(0).to(a)), differentiable=[], raw=True)
    for op, name in dict(eq="eq", ne="ne", lt="lt", le="le", gt="gt", ge="ge", logical_and="logicalAnd", logical_or="logicalOr",
                         logical_xor="logicalXor").items():
        case(f"{op}_{an}", name, lambda a, b, fn=getattr(torch, op): fn(a, b),
                   dict(a=torch.tensor([0, 1, 2, 3]).to(a), b=torch.tensor([0, 2, 1, 0]).to(a)), differentiable=[], raw=True)
    case(f"logical_not_{an}", "logicalNot", torch.logical_not, dict(x=torch.tensor([0, 1, 2]).to(a)), differentiable=[], raw=True)
    case(f"sqrt_{an}", "sqrt", torch.sqrt, dict(x=VALUES.to(a)), differentiable=[], raw=True)
case("lt_mixed", "lt", torch.lt, dict(a=torch.tensor([1, 2, 3]), b=torch.tensor([1.5, 1.5, 3.0])), differentiable=[], raw=True)
case("eq_number", "eq", lambda a: a == 0.1, dict(a=torch.tensor([0.1, 0.2])), dict(other=0.1), differentiable=[], raw=True)
case("gt_number_int", "gt", lambda a: a > 1.5, dict(a=torch.tensor([1, 2])), dict(other=1.5), differentiable=[], raw=True)

for op in ("add", "mul", "div", "maximum", "atan2"):  # gradients come back in the operands' own dtypes
    case(f"{op}_mixed_gradients", op, getattr(torch, op), dict(a=positive(2, 3), b=positive(3).double()), raw=True)
case("clamp_mixed_gradients", "clamp", lambda x, min: x.clamp(min), dict(x=f.randn(5), min=f.randn(5).double()), raw=True)

big = torch.tensor([100, -100, 127, -128])
for name, dtype in (("i8", torch.int8), ("i16", torch.int16), ("i32", torch.int32), ("i64", torch.int64), ("u8", torch.uint8)):
    a, b = big.to(dtype), big.flip(0).to(dtype)
    for op in ("add", "sub", "mul", "remainder", "fmod", "floor_divide", "bitwise_and", "bitwise_or", "bitwise_xor", "maximum", "minimum"):
        octet = {"floor_divide": "floorDivide", "bitwise_and": "bitwiseAnd", "bitwise_or": "bitwiseOr", "bitwise_xor": "bitwiseXor"}
        case(f"{op}_{name}", octet.get(op, op), lambda a, b, fn=getattr(torch, op): fn(a, b), dict(a=a, b=b), differentiable=[], raw=True)
    case(f"pow_{name}", "pow", torch.pow, dict(a=torch.tensor([2, 3, 10, 0], dtype=dtype), b=torch.tensor([3, 5, 2, 0], dtype=dtype)),
               differentiable=[], raw=True)
    case(f"div_trunc_{name}", "div", lambda a, b: torch.div(a, b, rounding_mode="trunc"), dict(a=a, b=b),
               dict(rounding_mode="trunc"), differentiable=[], raw=True)
    for op in ("neg", "abs", "sign", "square", "ceil", "floor", "round", "trunc"):
        case(f"{op}_{name}", op, getattr(torch, op), dict(x=a), differentiable=[], raw=True)
for op, octet in dict(bitwise_and="bitwiseAnd", bitwise_or="bitwiseOr", bitwise_xor="bitwiseXor").items():
    case(f"{op}_bool", octet, getattr(torch, op), dict(a=torch.tensor([True, True, False]), b=torch.tensor([True, False, False])),
               differentiable=[], raw=True)
    case(f"{op}_large", octet, getattr(torch, op),
               dict(a=torch.tensor([2**40 + 5, -2**33 - 1]), b=torch.tensor([2**40 + 3, 2**35 + 7])), differentiable=[], raw=True)

case("div_trunc_beyond_float32", "div", lambda a, b: torch.div(a, b, rounding_mode="trunc"),
     dict(a=torch.tensor([100000001, -100000001]), b=torch.tensor([3, 3])), dict(rounding_mode="trunc"), differentiable=[], raw=True)
case("add_bool_alpha", "add", lambda a, b: torch.add(a, b, alpha=True), dict(a=torch.tensor([True, False]), b=torch.tensor([True, True])),
     dict(alpha=1), differentiable=[], raw=True)
case("pow_bool_number", "pow", lambda a: a ** 2, dict(a=torch.tensor([True, False])), dict(other=2), differentiable=[], raw=True)
case("pow_negative_int_tensors", "pow", torch.pow, dict(a=torch.tensor([1, 2, -1, -1]), b=torch.tensor([-1, -2, -3, -2])),
     differentiable=[], raw=True)
case("pow_zero_base_gradient", "pow", torch.pow, dict(a=torch.tensor([0.0, 0.0, 2.0]), b=torch.tensor([-1.0, 1.0, 1.0])))

# ---------------------------------------------------------------- one operand

EDGES = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 1e-6, 80.0, -80.0, INF, -INF, NAN])
UNARY = {  # name: inputs at which the function is smooth
    "neg": f.randn(2, 3), "abs": away(f.randn(7), 0.0), "sign": away(f.randn(7), 0.0), "square": f.randn(7),
    "ceil": away(f.randn(7), 0, 1, -1), "floor": away(f.randn(7), 0, 1, -1), "round": away(f.randn(7), -0.5, 0.5, 1.5, -1.5),
    "trunc": away(f.randn(7), 1, -1), "sqrt": positive(2, 3), "rsqrt": positive(2, 3), "reciprocal": nonzero(2, 3),
    "exp": f.randn(7), "expm1": f.randn(7), "log": positive(7), "log2": positive(7), "log10": positive(7), "log1p": positive(7),
    "sin": f.randn(7), "cos": f.randn(7), "tan": f.rand(7), "asin": f.rand(7) * 1.8 - 0.9, "acos": f.rand(7) * 1.8 - 0.9,
    "atan": f.randn(7), "sinh": f.randn(7), "cosh": f.randn(7), "tanh": f.randn(7), "sigmoid": f.randn(7), "erf": f.randn(7),
}
for op, x in UNARY.items():
    case(op, op, getattr(torch, op), dict(x=x))
    case(f"{op}_edges", op, getattr(torch, op), dict(x=EDGES))
    if op not in ("neg", "abs", "sign", "square", "ceil", "floor", "round", "trunc"):
        case(f"{op}_int", op, getattr(torch, op), dict(x=torch.tensor([1, 2, 3])), differentiable=[], raw=True)
case("isnan", "isnan", torch.isnan, dict(x=EDGES), differentiable=[])
case("isinf", "isinf", torch.isinf, dict(x=EDGES), differentiable=[])
case("isfinite", "isfinite", torch.isfinite, dict(x=EDGES), differentiable=[])
case("isnan_int", "isnan", torch.isnan, dict(x=VALUES), differentiable=[], raw=True)
near = dict(a=torch.tensor([1.0, 1.0, 1.0, INF, INF, NAN, 0.0]), b=torch.tensor([1.0, 1.00001, 1.1, INF, -INF, NAN, 1e-9]))
case("isclose", "isclose", torch.isclose, near, differentiable=[])
case("isclose_nan", "isclose", lambda a, b: torch.isclose(a, b, rtol=0.2, atol=0.0, equal_nan=True), near,
           dict(rtol=0.2, atol=0.0, equal_nan=True), differentiable=[])

# ---------------------------------------------------------------- limits, selection, combinations

wide = f.randn(3, 5) * 2
for kwargs in (dict(min=-1.0, max=1.5), dict(min=0.3), dict(max=0.1), dict(min=1.0, max=-1.0)):
    name = "_".join(f"{k}{v}" for k, v in kwargs.items())
    case(f"clamp_{name}", "clamp", lambda x, kw=kwargs: torch.clamp(x, **kw), dict(x=away(wide, *kwargs.values())), kwargs)
case("clamp_at_limits", "clamp", lambda x: x.clamp(-1, 1), dict(x=torch.tensor([-1.0, 1.0, 0.0, 2.0, NAN])), dict(min=-1, max=1))
case("clamp_int", "clamp", lambda x: x.clamp(2, 5), dict(x=VALUES), dict(min=2, max=5), differentiable=[], raw=True)
case("clamp_int_by_float", "clamp", lambda x: x.clamp(max=2.5), dict(x=VALUES), dict(max=2.5), differentiable=[], raw=True)
case("clamp_tensors", "clamp", lambda x, min, max: x.clamp(min, max),
           dict(x=f.randn(3, 4) * 2, min=f.randn(4) - 1, max=f.randn(3, 1) + 1))
case("clamp_tensor_min", "clamp", lambda x, min: x.clamp(min=min), dict(x=f.randn(3, 4), min=f.randn(4)))
case("clamp_tensor_max", "clamp", lambda x, max: x.clamp(max=max), dict(x=f.randn(3, 4), max=f.randn(3, 1)))
case("clamp_crossed_tensors", "clamp", lambda x, min, max: x.clamp(min, max),
           dict(x=torch.tensor([0.0, 3.0, -3.0]), min=torch.tensor([1.0, 1.0, 1.0]), max=torch.tensor([-1.0, -1.0, -1.0])))
mask = f.rand(3, 4) < 0.5
case("where", "where", lambda c, a, b: torch.where(c, a, b), dict(c=mask, a=f.randn(3, 4), b=f.randn(3, 4)))
case("where_broadcast", "where", lambda c, a, b: torch.where(c, a, b), dict(c=mask, a=f.randn(4), b=f.randn(2, 1, 1)))
case("where_nan", "where", lambda c, a, b: torch.where(c, a, b),
           dict(c=torch.tensor([True, False]), a=torch.tensor([1.0, NAN]), b=torch.tensor([INF, 2.0])))
case("where_number", "where", lambda c, a: torch.where(c, a, -1), dict(c=mask, a=f.randn(3, 4)), dict(other=-1))
case("where_int_float", "where", lambda c, a, b: torch.where(c, a, b), dict(c=mask[0], a=VALUES[:4], b=f.randn(4)), raw=True)
case("lerp", "lerp", lambda a, b: torch.lerp(a, b, 0.3), dict(a=f.randn(2, 3), b=f.randn(2, 3)), dict(weight=0.3))
case("lerp_far", "lerp", lambda a, b: torch.lerp(a, b, 0.8), dict(a=f.randn(2, 3), b=f.randn(3)), dict(weight=0.8))
case("lerp_tensor", "lerp", lambda a, b, w: torch.lerp(a, b, w), dict(a=f.randn(2, 3), b=f.randn(2, 3), w=f.rand(3)))
case("addcmul", "addcmul", lambda x, a, b: torch.addcmul(x, a, b, value=0.4), dict(x=f.randn(2, 3), a=f.randn(3), b=f.randn(2, 1)),
           dict(value=0.4))
case("addcdiv", "addcdiv", lambda x, a, b: torch.addcdiv(x, a, b, value=-2), dict(x=f.randn(2, 3), a=f.randn(3), b=nonzero(2, 1)),
           dict(value=-2))
case("addcmul_plain", "addcmul", torch.addcmul, dict(x=f.randn(4), a=f.randn(4), b=f.randn(4)))
case("addcdiv_plain", "addcdiv", torch.addcdiv, dict(x=f.randn(4), a=f.randn(4), b=nonzero(4)))
case("as_dtype_float", "asDtype", lambda x: x.to(torch.float64), dict(x=f.randn(4)), dict(dtype="float64"))
case("as_dtype_int", "asDtype", lambda x: x.to(torch.int32), dict(x=torch.tensor([1.9, -1.9, 0.0])), dict(dtype="int32"), differentiable=[])

# ---------------------------------------------------------------- in place (on a copy, so that leaves stay leaves)

for op, make_b in dict(add_=f.randn, sub_=f.randn, mul_=f.randn, div_=nonzero, pow_=f.randn).items():
    make_a = positive if op == "pow_" else f.randn
    call = lambda a, b, op=op: getattr(a.clone(), op)(b)
    case(f"inplace_{op}same", op, call, dict(a=make_a(2, 3), b=make_b(2, 3)))
    case(f"inplace_{op}row", op, call, dict(a=make_a(2, 3), b=make_b(3)))
    case(f"inplace_{op}number", op, lambda a, op=op: getattr(a.clone(), op)(2), dict(a=make_a(2, 3)), dict(other=2))
    if op not in ("div_", "pow_"):
        case(f"inplace_{op}int", op, call, dict(a=VALUES.to(torch.int8), b=VALUES * 30), differentiable=[], raw=True)
    case(f"inplace_{op}half", op, call, dict(a=make_a(3).abs().half(), b=make_b(3)), differentiable=[], raw=True)
case("inplace_add_alpha", "add_", lambda a, b: a.clone().add_(b, alpha=0.5), dict(a=f.randn(3), b=f.randn(3)), dict(alpha=0.5))
case("inplace_sub_alpha", "sub_", lambda a, b: a.clone().sub_(b, alpha=2), dict(a=f.randn(3), b=f.randn(3)), dict(alpha=2))
case("inplace_mul_bool", "mul_", lambda a, b: a.clone().mul_(b), dict(a=torch.tensor([True, True]), b=torch.tensor([True, False])),
           differentiable=[], raw=True)
for op in ("neg", "abs", "square", "ceil", "floor", "round", "trunc", "sqrt", "rsqrt", "reciprocal", "exp", "log", "tanh", "sigmoid"):
    case(f"inplace_{op}", f"{op}_", lambda x, op=op: getattr(x.clone(), f"{op}_")(), dict(x=UNARY[op]))
case("inplace_clamp", "clamp_", lambda x: x.clone().clamp_(-1, 1), dict(x=away(wide, -1, 1)), dict(min=-1, max=1))
case("inplace_clamp_tensor", "clamp_", lambda x, min: x.clone().clamp_(min), dict(x=f.randn(4), min=f.randn(4)))
case("inplace_lerp", "lerp_", lambda a, b: a.clone().lerp_(b, 0.3), dict(a=f.randn(3), b=f.randn(3)), dict(weight=0.3))
for op in ("addcmul_", "addcdiv_"):
    case(f"inplace_{op}", op, lambda x, a, b, op=op: getattr(x.clone(), op)(a, b, value=0.5), dict(x=f.randn(3), a=f.randn(3), b=nonzero(3)),
         dict(value=0.5))

f.save()
