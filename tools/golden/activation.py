"""Golden cases of src/ops/{activation,softmax,dropout}.ts and of their modules."""
import torch
import torch.nn.functional as F
from torch import nn
from common import Family

f = Family("activation", seed=2)
INF, NAN = float("inf"), float("nan")
EDGES = torch.tensor([0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.5, -0.5, 21.0, 90.0, -90.0, INF, -INF, NAN])
#: Values on both sides of every kink, and away from all of them.
SMOOTH = torch.tensor([-4.1, -3.2, -2.3, -1.4, -0.7, -0.2, 0.2, 0.7, 1.4, 2.3, 3.2, 4.1, 5.3, 6.7, 25.0]).reshape(3, 5)


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


# ---------------------------------------------------------------- functions of one element

PLAIN = ["relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "elu", "celu", "selu", "gelu", "silu", "mish", "leaky_relu",
         "logsigmoid", "softplus", "softsign", "tanhshrink", "hardshrink", "softshrink", "sigmoid", "tanh"]
for name in PLAIN:
    if name in ("sigmoid", "tanh"):  # the functions are in the family elementwise
        continue
    fn, op = getattr(F, name), camel(name)
    f.function(name, op, lambda x, fn=fn: fn(x), dict(x=SMOOTH))
    # At 3, PyTorch's scalar and vector code of hardswish's gradient disagree.
    edges = EDGES[EDGES.abs() != 3] if name == "hardswish" else EDGES
    f.function(f"{name}_edges", op, lambda x, fn=fn: fn(x), dict(x=edges))
    f.function(f"{name}_half", op, lambda x, fn=fn: fn(x), dict(x=SMOOTH[:2].half()), differentiable=[], raw=True)
for name in ("relu", "relu6", "hardtanh"):
    f.function(f"{name}_int", name, lambda x, fn=getattr(F, name): fn(x), dict(x=torch.tensor([-3, 0, 1, 9])), differentiable=[], raw=True)

OPTIONS = [("hardtanh", dict(min_val=-2.0, max_val=0.5)), ("elu", dict(alpha=0.4)), ("celu", dict(alpha=0.6)),
           ("leaky_relu", dict(negative_slope=0.2)), ("softplus", dict(beta=2.0, threshold=3.0)), ("gelu", dict(approximate="tanh")),
           ("hardshrink", dict(lambd=1.0)), ("softshrink", dict(lambd=0.3))]
for name, kwargs in OPTIONS:
    f.function(f"{name}_options", camel(name), lambda x, fn=getattr(F, name), kw=kwargs: fn(x, **kw), dict(x=SMOOTH), kwargs)
f.function("gelu_tanh_edges", "gelu", lambda x: F.gelu(x, approximate="tanh"), dict(x=EDGES), dict(approximate="tanh"))
f.function("threshold", "threshold", lambda x: F.threshold(x, 0.4, -7.0), dict(x=SMOOTH), dict(threshold=0.4, value=-7.0))
f.function("threshold_at", "threshold", lambda x: F.threshold(x, 1.0, 5.0), dict(x=EDGES), dict(threshold=1.0, value=5.0))
f.function("prelu_one", "prelu", F.prelu, dict(input=SMOOTH, weight=torch.tensor([0.3])))
f.function("prelu_channels", "prelu", F.prelu, dict(input=f.randn(2, 3, 4), weight=torch.tensor([0.3, -0.2, 1.5])))
f.function("prelu_vector", "prelu", F.prelu, dict(input=f.randn(4), weight=torch.tensor([0.25])))
f.function("prelu_at_zero", "prelu", F.prelu, dict(input=torch.tensor([[0.0, 1.0]]), weight=torch.tensor([0.25])))
for name, kwargs in [("relu", {}), ("relu6", {}), ("hardtanh", dict(min_val=-2.0)), ("hardswish", {}), ("hardsigmoid", {}), ("elu", dict(alpha=0.4)),
                     ("celu", {}), ("selu", {}), ("silu", {}), ("mish", {}), ("leaky_relu", {})]:
    f.function(f"{name}_inplace", camel(name), lambda x, fn=getattr(F, name), kw=kwargs: fn(x.clone(), **kw, inplace=True),
               dict(x=SMOOTH), dict(kwargs, inplace=True))
for name in ("relu_", "hardtanh_", "elu_", "celu_", "selu_", "leaky_relu_"):
    f.function(f"{name}underscore", camel(name[:-1]) + "_", lambda x, fn=getattr(F, name): fn(x.clone()), dict(x=SMOOTH))
f.function("threshold_underscore", "threshold_", lambda x: F.threshold_(x.clone(), 0.4, -7.0), dict(x=SMOOTH), dict(threshold=0.4, value=-7.0))

# ---------------------------------------------------------------- glu and softmax

f.function("glu", "glu", lambda x: F.glu(x), dict(x=f.randn(3, 4)))
f.function("glu_dim", "glu", lambda x: F.glu(x, 1), dict(x=f.randn(3, 4, 2)), dict(dim=1))
for name in ("softmax", "log_softmax", "softmin"):
    fn, op = getattr(F, name), camel(name)
    for dim in (0, 1, -1):
        f.function(f"{name}_dim{dim}", op, lambda x, fn=fn, dim=dim: fn(x, dim=dim), dict(x=f.randn(2, 3, 4)), dict(dim=dim))
    f.function(f"{name}_large", op, lambda x, fn=fn: fn(x, dim=0), dict(x=torch.tensor([1000.0, 999.0, -1000.0])), dict(dim=0))
    f.function(f"{name}_masked", op, lambda x, fn=fn: fn(x, dim=-1), dict(x=torch.tensor([[1.0, -INF, 2.0], [-INF, -INF, 0.0]])), dict(dim=-1),
               differentiable=[])
    f.function(f"{name}_scalar", op, lambda x, fn=fn: fn(x, dim=0), dict(x=f.randn()), dict(dim=0))
    f.function(f"{name}_dtype", op, lambda x, fn=fn: fn(x, dim=0, dtype=torch.float64), dict(x=f.randn(5)), dict(dim=0, dtype="float64"))
    f.function(f"{name}_half", op, lambda x, fn=fn: fn(x, dim=0), dict(x=f.randn(5).half()), dict(dim=0), differentiable=[], raw=True)
    for shape in ((3,), (2, 3), (2, 3, 4), (2, 3, 2, 2)):  # the dimension that is chosen where none is given
        f.function(f"{name}_implicit{len(shape)}", op, lambda x, fn=fn: fn(x, _stacklevel=5), dict(x=f.randn(*shape)))

# ---------------------------------------------------------------- dropout, from a seed

for name, shape in [("dropout", (4, 6)), ("dropout1d", (3, 4, 2)), ("dropout1d", (5, 2)), ("dropout2d", (3, 4, 2, 2)), ("dropout2d", (3, 4, 2)),
                    ("dropout3d", (2, 3, 2, 2, 2)), ("dropout3d", (6, 2, 1, 2)), ("alpha_dropout", (4, 6)), ("feature_alpha_dropout", (3, 4, 2))]:
    fn = getattr(F, name)

    def seeded(x, fn=fn, **kw):
        torch.manual_seed(7)
        return fn(x, **kw)

    f.function(f"{name}_{len(shape)}d", camel(name), lambda x, s=seeded: s(x, p=0.3, training=True), dict(x=f.randn(*shape)),
               dict(p=0.3, training=True))
    f.function(f"{name}_{len(shape)}d_eval", camel(name), lambda x, s=seeded: s(x, p=0.3, training=False) + 0, dict(x=f.randn(*shape)),
               dict(p=0.3, training=False))
    f.function(f"{name}_{len(shape)}d_all", camel(name), lambda x, s=seeded: s(x, p=1.0, training=True), dict(x=f.randn(*shape)),
               dict(p=1.0, training=True))
    f.function(f"{name}_{len(shape)}d_inplace", camel(name), lambda x, s=seeded: s(x.clone(), p=0.4, training=True, inplace=True),
               dict(x=f.randn(*shape)), dict(p=0.4, training=True, inplace=True))
f.function("dropout_half_of_all", "dropout", lambda x: (torch.manual_seed(7), F.dropout(x))[1], dict(x=f.randn(3, 5)))

# ---------------------------------------------------------------- modules

MODULES = [("ReLU", {}), ("ReLU", dict(inplace=True)), ("ReLU6", {}), ("Hardtanh", {}), ("Hardtanh", dict(min_val=-2.0, max_val=0.5)),
           ("Hardswish", {}), ("Hardsigmoid", {}), ("Sigmoid", {}), ("Tanh", {}), ("ELU", {}), ("ELU", dict(alpha=0.4)), ("CELU", dict(alpha=0.6)),
           ("SELU", {}), ("GELU", {}), ("GELU", dict(approximate="tanh")), ("SiLU", {}), ("Mish", {}), ("LeakyReLU", {}),
           ("LeakyReLU", dict(negative_slope=0.2)), ("PReLU", {}), ("PReLU", dict(num_parameters=5, init=0.3)), ("Softmax", dict(dim=1)),
           ("LogSoftmax", dict(dim=0)), ("Softmin", dict(dim=1)), ("Softplus", dict(beta=2.0)), ("Softsign", {}), ("LogSigmoid", {}),
           ("Softshrink", dict(lambd=0.3)), ("Hardshrink", {}), ("Tanhshrink", {}), ("Identity", {})]
for i, (name, kwargs) in enumerate(MODULES):
    call = (lambda m, x: m(x.clone())) if kwargs.get("inplace") else None
    f.module(f"{name}_{i}", name, lambda name=name, kw=kwargs: getattr(nn, name)(**kw), dict(x=SMOOTH), kwargs=kwargs, call=call)
f.module("Threshold", "Threshold", lambda: nn.Threshold(0.4, -7.0), dict(x=SMOOTH), args=(0.4, -7.0))
f.module("GLU", "GLU", lambda: nn.GLU(1), dict(x=f.randn(2, 4, 3)), args=(1,))
f.module("Softmax2d", "Softmax2d", lambda: nn.Softmax2d(), dict(x=f.randn(2, 3, 2, 2)))
f.module("Flatten", "Flatten", lambda: nn.Flatten(), dict(x=f.randn(2, 3, 2, 2)))
f.module("Flatten_dims", "Flatten", lambda: nn.Flatten(0, 2), dict(x=f.randn(2, 3, 2, 2)), args=(0, 2))
f.module("Unflatten", "Unflatten", lambda: nn.Unflatten(1, (2, 3)), dict(x=f.randn(2, 6)), args=(1, [2, 3]))
for name, shape in [("Dropout", (4, 6)), ("Dropout1d", (3, 4, 2)), ("Dropout2d", (3, 4, 2, 2)), ("Dropout3d", (2, 3, 2, 2, 2)),
                    ("AlphaDropout", (4, 6)), ("FeatureAlphaDropout", (3, 4, 2))]:
    seeded = lambda m, x: (torch.manual_seed(7), m(x))[1]
    f.module(name, name, lambda name=name: getattr(nn, name)(0.3), dict(x=f.randn(*shape)), args=(0.3,), call=seeded)
    f.module(f"{name}_eval", name, lambda name=name: getattr(nn, name)(0.3), dict(x=f.randn(*shape)), args=(0.3,), training=False,
             call=lambda m, x: m(x) + 0)

f.save()
