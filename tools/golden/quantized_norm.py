"""Writes golden data for the normalizations of torch.ops.quantized: test/golden/quantized/norm.safetensors, in the format of
quantized_ops.py, which says where and takes the same argument.

Scales are such that most integers are inside the range; eps and qparams vary. PyTorch computes the same for both engines.
"""
from quantized_ops import Family, Q, QINT8, QUINT8

GRIDS = [  # dtype, input's scale and zero point, output's
    (QUINT8, 0.1, 3, 0.05, 128),
    (QUINT8, 0.05, 130, 0.0625, 100),
    (QINT8, 0.25, -9, 0.03, 4),
]


def affine(f, *shape):
    return dict(weight=f.randn(*shape), bias=f.randn(*shape))


def batch_norms(f):
    kinds = [("batch_norm", (3, 8)), ("batch_norm", (2, 7, 5, 4)), ("batch_norm1d", (5, 9)), ("batch_norm1d", (2, 6, 7)),
             ("batch_norm2d", (2, 37, 4, 3)), ("batch_norm2d", (1, 64, 3, 3)), ("batch_norm3d", (2, 5, 3, 4, 2))]
    for g, (dtype, sx, zx, so, zo) in enumerate(GRIDS):
        for kind, shape in kinds:
            for relu in (False, True):
                c = shape[1]
                x = f.quantized(shape, dtype, sx, zx)
                spread = 0.3 + f.randn(c).abs() * (sx * 100) ** 2
                inputs = dict(x=x, **affine(f, c), mean=f.randn(c), variance=spread)
                eps = (1e-5, 1e-3, 1e-5)[g]
                op = kind.replace("_n", "N") + ("Relu" if relu else "")
                fn = getattr(Q, kind + ("_relu" if relu else ""))
                f.case(f"{op} {list(shape)} {g}", op, "qnnpack", lambda x, weight, bias, mean, variance: fn(x, weight, bias, mean, variance, eps, so, zo).contiguous(),
                       inputs, dict(eps=eps, scale=so, zero_point=zo))


def other_norms(f):
    for g, (dtype, sx, zx, so, zo) in enumerate(GRIDS):
        common = dict(eps=(1e-5, 1e-3, 1e-12)[g], scale=so, zero_point=zo)
        eps = common["eps"]
        for plain in (False, True):
            label = f"{'plain' if plain else 'affine'} {g}"
            for shape, last in (((9, 37), 1), ((3, 64), 1), ((2, 5, 16), 2), ((2, 3, 5, 7), 1), ((2, 6, 4, 4), 3)):
                norm = list(shape[-last:])
                more = {} if plain else affine(f, *norm)
                f.case(f"layerNorm {list(shape)} {norm} {label}", "layerNorm", "qnnpack",
                       lambda x, weight=None, bias=None: Q.layer_norm(x, norm, weight, bias, eps, so, zo),
                       dict(x=f.quantized(shape, dtype, sx, zx), **more), dict(normalized_shape=norm, **common))
            for shape, groups in (((2, 6, 5, 7), 2), ((2, 8, 9), 4), ((1, 4, 3, 3, 5), 1), ((2, 8, 6, 6), 8)):
                more = {} if plain else affine(f, shape[1])
                f.case(f"groupNorm {list(shape)} {groups} {label}", "groupNorm", "qnnpack",
                       lambda x, weight=None, bias=None: Q.group_norm(x, groups, weight, bias, eps, so, zo),
                       dict(x=f.quantized(shape, dtype, sx, zx), **more), dict(num_groups=groups, **common))
                more = {} if plain else affine(f, shape[1])
                f.case(f"instanceNorm {list(shape)} {label}", "instanceNorm", "qnnpack",
                       lambda x, weight=None, bias=None: Q.instance_norm(x, weight, bias, eps, so, zo),
                       dict(x=f.quantized(shape, dtype, sx, zx), **more), common)
        # One value for a whole group: no spread at all.
        flat = f.quantized((2, 4, 9), dtype, sx, zx, low=77, high=77)
        f.case(f"groupNorm of one value {g}", "groupNorm", "qnnpack", lambda x: Q.group_norm(x, 2, None, None, eps, so, zo),
               dict(x=flat), dict(num_groups=2, **common))


if __name__ == "__main__":
    family = Family("norm")
    batch_norms(family)
    other_norms(family)
    family.save()
