"""Golden data for the operators on whole tensors: families shape, reduce, sort and indexing.

Recorded keyword `args` are the positional arguments after the inputs; `permute` reorders the first input's dimensions
before the call, to test layouts that are not contiguous.
"""
import torch
from common import Family

inf, nan = float("inf"), float("nan")


def case(f, name, op, fn, inputs, *args, permute=None, differentiable=None, raw=False, **options):
    """One case of fn(*inputs, *args, **options)."""
    def run(**given):
        first, *rest = given.values()
        return fn(first.permute(permute) if permute else first, *rest, *args, **options)

    kwargs = dict(options)
    if args:
        kwargs["args"] = list(args)
    if permute:
        kwargs["permute"] = list(permute)
    if "dtype" in kwargs:
        kwargs["dtype"] = str(kwargs["dtype"]).split(".")[1]
    f.function(name, op, run, inputs, kwargs, differentiable, raw)


def shape():
    f = Family("shape", 21)
    T = torch.Tensor
    x = dict(x=f.randn(2, 3, 4))
    case(f, "view", "view", T.view, x, [6, 4])
    case(f, "view_inferred", "view", T.view, x, [2, -1, 2])
    case(f, "view_permuted", "view", T.view, x, [4, 6], permute=(2, 0, 1))
    case(f, "view_scalar", "view", T.view, dict(x=f.randn()), [1, 1])
    case(f, "reshape", "reshape", T.reshape, x, [-1])
    case(f, "reshape_permuted", "reshape", T.reshape, x, [4, 6], permute=(2, 1, 0))
    case(f, "flatten", "flatten", T.flatten, x)
    case(f, "flatten_some", "flatten", T.flatten, x, 1, 2)
    case(f, "flatten_permuted", "flatten", T.flatten, x, 0, 1, permute=(1, 2, 0))
    case(f, "flatten_scalar", "flatten", T.flatten, dict(x=f.randn()))
    case(f, "unflatten", "unflatten", T.unflatten, x, 2, [2, -1])
    ones = dict(x=f.randn(2, 1, 3, 1))
    case(f, "squeeze", "squeeze", T.squeeze, ones)
    case(f, "squeeze_dim", "squeeze", T.squeeze, ones, 1)
    case(f, "squeeze_dim_of_other_size", "squeeze", T.squeeze, ones, 2)
    case(f, "squeeze_dims", "squeeze", lambda x, d: x.squeeze(tuple(d)), ones, [1, -1, 0])
    for d in (0, 1, -1, 3):
        case(f, f"unsqueeze_{d}", "unsqueeze", T.unsqueeze, x, d)
    case(f, "expand", "expand", T.expand, dict(x=f.randn(3, 1)), [2, -1, 4])
    case(f, "expand_scalar", "expand", T.expand, dict(x=f.randn()), [2, 3])
    case(f, "expand_as", "expandAs", T.expand_as, dict(x=f.randn(3, 1), other=f.randn(2, 3, 2)), differentiable=["x"])
    case(f, "broadcast_to", "broadcastTo", torch.broadcast_to, dict(x=f.randn(1, 3)), [2, 3])
    case(f, "permute", "permute", T.permute, x, [2, 0, -2])
    case(f, "transpose", "transpose", T.transpose, x, 0, -1)
    case(f, "t", "t", T.t, dict(x=f.randn(2, 3)))
    case(f, "t_vector", "t", T.t, dict(x=f.randn(3)))
    case(f, "movedim", "movedim", torch.movedim, x, 0, 2)
    case(f, "movedim_list", "movedim", torch.movedim, x, [0, 2], [1, 0])
    case(f, "narrow", "narrow", T.narrow, x, 2, 1, 2)
    case(f, "narrow_from_end", "narrow", T.narrow, x, 1, -2, 2)
    case(f, "select", "select", T.select, x, 1, 2)
    case(f, "select_from_end", "select", T.select, x, -1, -1, permute=(2, 0, 1))
    for i, (a, b, c) in enumerate([(1, 3, 1), (None, None, 2), (-3, -1, 1), (1, 100, 2), (3, 1, 1), (-100, 2, 1)]):
        case(f, f"slice_{i}", "slice", lambda x, d, a, b, c: x[:, :, a:b:c], x, 2, a, b, c)
    square = dict(x=f.randn(4, 3))
    case(f, "diagonal", "diagonal", T.diagonal, square)
    case(f, "diagonal_above", "diagonal", T.diagonal, square, 1)
    case(f, "diagonal_below", "diagonal", T.diagonal, square, -2)
    case(f, "diagonal_batch", "diagonal", T.diagonal, x, 0, 2, 1)
    case(f, "diagonal_outside", "diagonal", T.diagonal, square, 5)
    case(f, "as_strided", "asStrided", T.as_strided, x, [2, 3], [1, 7], 2)
    case(f, "as_strided_overlap", "asStrided", T.as_strided, x, [4, 5], [2, 1])
    case(f, "as_strided_permuted", "asStrided", T.as_strided, x, [3, 3], [1, 3], permute=(2, 0, 1))
    case(f, "unbind", "unbind", T.unbind, x, 1)
    case(f, "split", "split", T.split, x, 3, 2)
    case(f, "split_sizes", "split", T.split, x, [1, 0, 3], -1)
    case(f, "chunk", "chunk", T.chunk, x, 3, -1)
    two = dict(a=f.randn(2, 3), b=f.randn(2, 2), c=f.randn(2, 1))
    case(f, "cat", "cat", lambda *t: torch.cat(t[:-1], t[-1]), two, 1)
    case(f, "cat_with_empty", "cat", lambda *t: torch.cat(t), dict(a=f.randn(2, 3), b=torch.zeros(0), c=f.randn(1, 3)))
    case(f, "cat_promotes", "cat", lambda *t: torch.cat(t), dict(a=f.randint(0, 9, (2,)), b=f.randn(2), c=f.randn(1).double()),
         raw=True)
    case(f, "stack", "stack", lambda *t: torch.stack(t[:-1], t[-1]), dict(a=f.randn(2, 3), b=f.randn(2, 3)), 1)
    case(f, "stack_scalars", "stack", lambda *t: torch.stack(t), dict(a=f.randn(), b=f.randn()))
    case(f, "repeat", "repeat", T.repeat, x, [2, 1, 1, 3])
    case(f, "repeat_none", "repeat", T.repeat, x, [1, 0, 1])
    case(f, "tile", "tile", torch.tile, x, [2])
    case(f, "flip", "flip", T.flip, x, [0, -1])
    case(f, "roll", "roll", T.roll, x, 5)
    case(f, "roll_dims", "roll", T.roll, x, [1, -3], [0, 2])
    for name, fn in (("tril", torch.tril), ("triu", torch.triu)):
        case(f, name, name, fn, square)
        case(f, f"{name}_above", name, fn, x, 1)
        case(f, f"{name}_below", name, fn, x, -1, permute=(1, 2, 0))
    case(f, "diag_vector", "diag", torch.diag, dict(x=f.randn(3)), -1)
    case(f, "diag_matrix", "diag", torch.diag, square, 1)
    case(f, "clone", "clone", T.clone, x, permute=(1, 0, 2))
    case(f, "contiguous", "contiguous", T.contiguous, x, permute=(1, 0, 2))
    case(f, "copy", "copy_", lambda a, b: a.clone().copy_(b), dict(a=f.randn(2, 3), b=f.randn(3)))
    case(f, "copy_constant", "copy_", lambda a, b: a.clone().copy_(b), dict(a=f.randn(2, 3), b=f.randint(0, 9, (2, 1))))
    case(f, "copy_to_int", "copy_", lambda a, b: a.clone().copy_(b), dict(a=f.randint(0, 9, (4,)), b=torch.tensor([1.7, -1.7, 0.5, 300.0])),
         raw=True, differentiable=[])
    case(f, "fill", "fill_", lambda a, v: a.clone().fill_(v), dict(a=f.randn(2, 3)), 2.5)
    case(f, "zero", "zero_", lambda a: a.clone().zero_(), dict(a=f.randn(2, 3)))
    case(f, "repeat_interleave", "repeatInterleave", lambda x, r: x.repeat_interleave(r), x, 2)
    case(f, "repeat_interleave_dim", "repeatInterleave", lambda x, r, d: x.repeat_interleave(r, d), x, 3, 1)
    case(f, "repeat_interleave_tensor", "repeatInterleave", lambda x, r, d: x.repeat_interleave(r, d),
         dict(x=f.randn(2, 3), repeats=torch.tensor([2, 0, 1])), 1)
    f.save()


def reduce():
    f = Family("reduce", 22)
    x = dict(x=f.randn(2, 3, 4))
    ints = dict(x=f.randint(-5, 6, (3, 4)))
    ties = dict(x=torch.tensor([[1.0, 3.0, 3.0], [3.0, 2.0, 1.0]]))
    scalar = dict(x=f.randn())
    for op, fn in (("sum", torch.sum), ("mean", torch.mean), ("amax", torch.amax), ("amin", torch.amin), ("logsumexp", torch.logsumexp)):
        case(f, f"{op}_dim", op, fn, x, 1)
        case(f, f"{op}_dims", op, fn, x, [0, -1])
        case(f, f"{op}_keepdim", op, fn, x, [0, 2], keepdim=True)
        case(f, f"{op}_permuted", op, fn, x, 0, permute=(2, 0, 1))
        case(f, f"{op}_scalar", op, fn, scalar, 0)
    for op, fn in (("sum", torch.sum), ("mean", torch.mean), ("prod", torch.prod), ("max", torch.max), ("min", torch.min),
                   ("argmax", torch.argmax), ("argmin", torch.argmin), ("any", torch.any), ("all", torch.all),
                   ("std", torch.std), ("var", torch.var), ("norm", torch.norm), ("median", torch.median), ("amax", torch.amax)):
        case(f, f"{op}_all", op, fn, x)
    case(f, "sum_ints", "sum", torch.sum, ints, 0)
    case(f, "sum_bools", "sum", torch.sum, dict(x=torch.tensor([True, False, True])))
    case(f, "sum_dtype", "sum", torch.sum, ints, 1, dtype=torch.float64)
    case(f, "sum_dtype_float", "sum", torch.sum, dict(x=f.randn(2, 3)), 1, dtype=torch.float64, raw=True)
    case(f, "sum_half", "sum", torch.sum, dict(x=f.randn(2, 30).half()), 1, raw=True)
    case(f, "sum_empty", "sum", torch.sum, dict(x=torch.zeros(0, 3)), 0)
    case(f, "mean_empty", "mean", torch.mean, dict(x=torch.zeros(0, 3)), 0)
    case(f, "mean_ints_dtype", "mean", torch.mean, ints, 1, dtype=torch.float32)
    case(f, "prod_dim", "prod", torch.prod, x, 1)
    case(f, "prod_keepdim", "prod", torch.prod, x, -1, keepdim=True)
    case(f, "prod_ints", "prod", torch.prod, ints, 0)
    zeros = dict(x=torch.tensor([[1.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 1.5], [1.5, 2.0, -1.0, 0.5]]))
    case(f, "prod_zeros", "prod", torch.prod, zeros, 1)
    case(f, "cumprod_zeros", "cumprod", torch.cumprod, zeros, 1)
    for op, fn in (("amax", torch.amax), ("amin", torch.amin)):
        case(f, f"{op}_ties", op, fn, ties, 1)
        case(f, f"{op}_ties_all", op, fn, ties, [])
        case(f, f"{op}_ints", op, fn, ints, 0)
    for op, fn in (("max", torch.max), ("min", torch.min)):
        case(f, f"{op}_ties_all", op, fn, ties)
        case(f, f"{op}_dim", op, fn, x, 1)
        case(f, f"{op}_dim_keepdim", op, fn, x, -1, keepdim=True)
        case(f, f"{op}_permuted", op, fn, x, 1, permute=(1, 2, 0))
        case(f, f"{op}_ints", op, fn, ints, 1)
        case(f, f"{op}_nan", op, fn, dict(x=torch.tensor([[1.0, nan, 2.0], [nan, 3.0, nan]])), 1)
        case(f, f"{op}_pair", op, fn, dict(x=f.randn(2, 3), y=f.randn(3)))
        case(f, f"{op}_scalar", op, fn, scalar, 0)
        case(f, f"arg{op}_dim", f"arg{op}", getattr(torch, f"arg{op}"), x, 2)
        case(f, f"arg{op}_keepdim", f"arg{op}", getattr(torch, f"arg{op}"), x, 0, keepdim=True)
        case(f, f"arg{op}_first_of_ties", f"arg{op}", getattr(torch, f"arg{op}"), dict(x=torch.tensor([1.0, 3.0, 3.0, 1.0])))
    bools = dict(x=torch.tensor([[True, False], [True, True]]))
    for op, fn in (("any", torch.any), ("all", torch.all)):
        case(f, f"{op}_dim", op, fn, bools, 1)
        case(f, f"{op}_keepdim", op, fn, ints, 0, keepdim=True)
        case(f, f"{op}_uint8", op, fn, dict(x=torch.tensor([[1, 0], [2, 3]], dtype=torch.uint8)), 0)
        case(f, f"{op}_empty", op, fn, dict(x=torch.zeros(0, 2)), 0)
    for op, fn in (("std", torch.std), ("var", torch.var)):
        case(f, f"{op}_dim", op, fn, x, 1)
        case(f, f"{op}_dims_keepdim", op, fn, x, [0, 2], keepdim=True)
        case(f, f"{op}_correction", op, fn, x, [0, 2], correction=0)
        case(f, f"{op}_correction_2", op, fn, x, 2, correction=2)
        case(f, f"{op}_permuted", op, fn, x, 2, permute=(1, 2, 0))
    case(f, "std_zero", "std", torch.std, dict(x=torch.ones(2, 3)), 1)
    case(f, "var_unbiased", "var", torch.var, x, 1, unbiased=False)
    case(f, "var_mean", "varMean", torch.var_mean, x, 1)
    case(f, "var_mean_all", "varMean", torch.var_mean, x)
    case(f, "std_mean", "stdMean", torch.std_mean, x, [1, 2], correction=0, keepdim=True)
    for p in (1, 2, 3, 0.5, 0):
        case(f, f"norm_{p}", "norm", torch.norm, x, p, 1)
    for name, p in (("inf", inf), ("minus_inf", -inf)):
        f.function(f"norm_{name}", "norm", lambda x, p=p: torch.norm(x, p, 1), x, dict(args=[name, 1]))
        f.function(f"norm_{name}_ties", "norm", lambda x, p=p: torch.norm(x, p, 1), ties, dict(args=[name, 1]))
    case(f, "norm_dims_keepdim", "norm", torch.norm, x, 2, [0, 1], keepdim=True)
    case(f, "norm_zero", "norm", torch.norm, dict(x=torch.zeros(2, 3)), 2, 1)
    case(f, "norm_fro", "norm", torch.norm, x, "fro")
    case(f, "dist", "dist", torch.dist, dict(a=f.randn(2, 3), b=f.randn(2, 3)), 3)
    case(f, "logsumexp_infinite", "logsumexp", torch.logsumexp, dict(x=torch.tensor([[-inf, -inf], [inf, 1.0], [-inf, 2.0]])), 1)
    case(f, "logsumexp_large", "logsumexp", torch.logsumexp, dict(x=torch.tensor([[1000.0, 1001.0], [-1000.0, -1001.0]])), 1)
    case(f, "logsumexp_ints", "logsumexp", torch.logsumexp, ints, 1, raw=True)
    for op, fn in (("cumsum", torch.cumsum), ("cumprod", torch.cumprod)):
        case(f, f"{op}", op, fn, x, 1)
        case(f, f"{op}_last", op, fn, x, -1, permute=(1, 0, 2))
        case(f, f"{op}_ints", op, fn, ints, 0)
        case(f, f"{op}_int32", op, fn, dict(x=ints["x"].int()), 1, raw=True)
        case(f, f"{op}_dtype", op, fn, ints, 1, dtype=torch.float64)
        case(f, f"{op}_scalar", op, fn, scalar, 0)
    case(f, "count_nonzero", "countNonzero", torch.count_nonzero, ints)
    case(f, "count_nonzero_dim", "countNonzero", torch.count_nonzero, ints, 1)
    f.save()


def sort():
    f = Family("sort", 23)
    x = dict(x=f.randn(3, 5))
    ints = dict(x=f.randint(0, 4, (3, 8)))
    nans = dict(x=torch.tensor([[2.0, nan, -1.0, inf], [nan, 0.5, -inf, 1.0]]))
    stable = lambda x, d=-1, **k: torch.sort(x, dim=d, stable=True, **k)
    stable_args = lambda x, d=-1, **k: torch.argsort(x, dim=d, stable=True, **k)
    for op, fn in (("sort", stable), ("argsort", stable_args)):
        case(f, op, op, fn, x)
        case(f, f"{op}_dim_descending", op, fn, x, 0, descending=True)
        case(f, f"{op}_ties", op, fn, ints)
        case(f, f"{op}_ties_descending", op, fn, ints, 1, descending=True)
        case(f, f"{op}_nan", op, fn, nans)
        case(f, f"{op}_nan_descending", op, fn, nans, -1, descending=True)
        case(f, f"{op}_permuted", op, fn, dict(x=f.randn(2, 3, 4)), 1, permute=(1, 2, 0))
    case(f, "sort_scalar", "sort", stable, dict(x=f.randn()))
    case(f, "sort_bools", "sort", stable, dict(x=torch.tensor([True, False, True, False])))
    case(f, "sort_half", "sort", stable, dict(x=f.randn(6).half()), raw=True)
    case(f, "topk", "topk", torch.topk, x, 2)
    case(f, "topk_dim", "topk", torch.topk, x, 2, 0)
    case(f, "topk_smallest", "topk", torch.topk, x, 3, largest=False)
    case(f, "topk_all", "topk", torch.topk, x, 5)
    case(f, "topk_nan", "topk", torch.topk, nans, 2)
    case(f, "kthvalue", "kthvalue", torch.kthvalue, x, 2)
    case(f, "kthvalue_dim_keepdim", "kthvalue", torch.kthvalue, x, 3, 0, keepdim=True)
    case(f, "median_dim", "median", torch.median, x, 1)
    case(f, "median_even", "median", torch.median, dict(x=f.randn(2, 4)), 1)
    case(f, "median_keepdim", "median", torch.median, x, 0, keepdim=True)
    case(f, "median_nan", "median", torch.median, nans, 1)
    case(f, "median_nan_all", "median", torch.median, nans)
    case(f, "unique", "unique", torch.unique, ints)
    case(f, "unique_floats", "unique", torch.unique, dict(x=torch.tensor([2.0, 1.0, 2.0, -1.0])), differentiable=[])
    case(f, "unique_inverse", "unique", torch.unique, ints, return_inverse=True)
    case(f, "unique_counts", "unique", torch.unique, ints, return_counts=True)
    case(f, "unique_both", "unique", torch.unique, ints, return_inverse=True, return_counts=True)
    case(f, "searchsorted", "searchsorted", torch.searchsorted, dict(s=torch.tensor([1.0, 3.0, 3.0, 7.0]), v=torch.tensor([[0.0, 3.0], [7.0, 9.0]])),
         differentiable=[])
    case(f, "searchsorted_right", "searchsorted", torch.searchsorted, dict(s=torch.tensor([[1, 3, 5], [2, 4, 6]]), v=torch.tensor([[3, 6], [4, 0]])),
         right=True)
    case(f, "bucketize", "bucketize", torch.bucketize, dict(v=f.randn(3, 4), b=torch.tensor([-1.0, 0.0, 1.0])), differentiable=[])
    f.save()


def indexing():
    f = Family("indexing", 24)
    i64 = lambda *v: torch.tensor(v, dtype=torch.int64)
    x = dict(x=f.randn(3, 4, 2))

    def at(name, op, fn, inputs, **kwargs):
        f.function(name, op, fn, inputs, kwargs)

    rows = i64(2, 0, 2)
    at("index_select", "indexSelect", lambda x, index: x.index_select(0, index), dict(**x, index=rows), dim=0)
    at("index_select_middle", "indexSelect", lambda x, index: x.index_select(1, index), dict(**x, index=i64(3, 3, 1).int()), dim=1)
    at("index_select_scalar_index", "indexSelect", lambda x, index: x.index_select(-1, index), dict(**x, index=torch.tensor(1)), dim=-1)
    at("index_add", "indexAdd", lambda x, index, source: x.index_add(0, index, source), dict(**x, index=rows, source=f.randn(3, 4, 2)), dim=0)
    at("index_add_alpha", "indexAdd", lambda x, index, source: x.index_add(1, index, source, alpha=-2), dict(**x, index=rows, source=f.randn(3, 3, 2)),
       dim=1, alpha=-2)
    at("index_add_in_place", "indexAdd_", lambda x, index, source: x.clone().index_add_(0, index, source), dict(**x, index=rows, source=f.randn(3, 4, 2)), dim=0)
    idx = f.randint(0, 4, (2, 3, 2))
    at("gather", "gather", lambda x, index: x.gather(1, index), dict(**x, index=idx), dim=1)
    at("gather_last", "gather", lambda x, index: x.gather(-1, index), dict(x=f.randn(2, 3), index=f.randint(0, 3, (2, 5))), dim=-1)
    at("gather_vector", "gather", lambda x, index: x.gather(0, index), dict(x=f.randn(4), index=i64(3, 3, 0)), dim=0)
    unique = torch.stack([torch.randperm(4, generator=f.gen) for _ in range(4)]).view(2, 2, 4).transpose(1, 2)[:, :3].contiguous()
    src = f.randn(2, 3, 2)
    at("scatter", "scatter", lambda x, index, src: x.scatter(1, index, src), dict(**x, index=unique, src=src), dim=1)
    at("scatter_value", "scatter", lambda x, index: x.scatter(1, index, 2.5), dict(**x, index=idx), dim=1, value=2.5)
    at("scatter_in_place", "scatter_", lambda x, index, src: x.clone().scatter_(1, index, src), dict(**x, index=unique, src=src), dim=1)
    at("scatter_add", "scatterAdd", lambda x, index, src: x.scatter_add(1, index, src), dict(**x, index=idx, src=src), dim=1)
    at("scatter_add_in_place", "scatterAdd_", lambda x, index, src: x.clone().scatter_add_(1, index, src), dict(**x, index=idx, src=src), dim=1)
    mask = dict(mask=f.randn(4, 2) > 0)
    at("masked_fill", "maskedFill", lambda x, mask: x.masked_fill(mask, -1.5), dict(**x, **mask), value=-1.5)
    at("masked_fill_tensor", "maskedFill", lambda x, mask, value: x.masked_fill(mask, value), dict(**x, **mask, value=f.randn()))
    at("masked_fill_larger_mask", "maskedFill", lambda x, mask: x.masked_fill(mask, 3), dict(x=f.randn(2), **mask), value=3)
    at("masked_fill_in_place", "maskedFill_", lambda x, mask: x.clone().masked_fill_(mask, 3), dict(**x, **mask), value=3)
    at("masked_select", "maskedSelect", lambda x, mask: x.masked_select(mask), dict(**x, **mask))
    at("masked_select_larger_mask", "maskedSelect", lambda x, mask: x.masked_select(mask), dict(x=f.randn(2), **mask))
    at("take", "take", lambda x, index: x.take(index), dict(**x, index=torch.tensor([[0, -1], [5, 5]])))
    at("nonzero", "nonzero", lambda x: x.nonzero(), dict(x=f.randint(0, 2, (2, 3, 2))))
    at("nonzero_scalar", "nonzero", lambda x: x.nonzero(), dict(x=torch.tensor(3)))
    at("one_hot", "oneHot", lambda x: torch.nn.functional.one_hot(x), dict(x=torch.tensor([[0, 2], [1, 0]])))
    at("one_hot_classes", "oneHot", lambda x: torch.nn.functional.one_hot(x, 5), dict(x=i64(0, 2)), num_classes=5)

    # Subscripts: the text is what Octet is given; "i", "j" and "m" stand for the inputs of these names.
    def sub(name, indices, fn, **inputs):
        at(f"index_{name}", "index", fn, dict(**x, **inputs), indices=indices)

    sub("number", [1], lambda x: x[1])
    sub("numbers", [-1, 2], lambda x: x[-1, 2])
    sub("slices", ["1:", "::2", "-1:"], lambda x: x[1:, ::2, -1:])
    sub("newaxis", [":", None, 1], lambda x: x[:, None, 1])
    sub("ellipsis", ["...", 0], lambda x: x[..., 0])
    sub("tensor", ["i"], lambda x, i: x[i], i=torch.tensor([[0, 2], [1, -1]]))
    sub("tensor_middle", [":", "i"], lambda x, i: x[:, i], i=torch.tensor([[0, 3], [1, -1]]))
    sub("two_tensors", ["i", "j"], lambda x, i, j: x[i, j], i=i64(0, 2, 2), j=torch.tensor([[3], [1]]))
    sub("apart", ["i", ":", "j"], lambda x, i, j: x[i, :, j], i=i64(0, 2), j=i64(1, 0))
    sub("apart_behind", ["1:", "i", None, "j"], lambda x, i, j: x[1:, i, None, j], i=i64(0, 2), j=i64(1, 0))
    sub("number_and_tensor", [1, ":", "i"], lambda x, i: x[1, :, i], i=i64(1, 0, 1))
    sub("list", [":", [1, 2]], lambda x: x[:, [1, 2]])
    sub("mask", ["m"], lambda x, m: x[m], m=f.randn(3, 4, 2) > 0)
    sub("mask_front", ["m"], lambda x, m: x[m], m=f.randn(3, 4) > 0)
    sub("mask_behind", [":", "m"], lambda x, m: x[:, m], m=f.randn(4, 2) > 0)
    sub("mask_and_tensor", ["m", "i"], lambda x, m, i: x[m, i], m=torch.tensor([True, False, True]), i=i64(3, 0))
    sub("repeated", ["i"], lambda x, i: x[i], i=i64(1, 1, 1))

    def assigned(x, where, value):
        y = x.clone()
        y[where] = value
        return y

    def put(name, indices, where, value=None, **inputs):
        def run(x, i=None, j=None, m=None, v=None):
            return assigned(x, where(i, j, m), value if v is None else v)
        kwargs = dict(indices=indices) if value is None else dict(indices=indices, value=value)
        at(f"set_{name}", "setIndex", run, dict(**x, **inputs), **kwargs)

    S = slice
    put("number", [1], lambda i, j, m: 1, value=2.5)
    put("slices", ["1:", "::2"], lambda i, j, m: (S(1, None), S(None, None, 2)), v=f.randn(2, 2))
    put("broadcast", [":", 2], lambda i, j, m: (S(None), 2), v=f.randn(1, 1, 2))
    put("tensor", ["i"], lambda i, j, m: i, v=f.randn(2, 4, 2), i=i64(2, 0))
    put("two_tensors", ["i", "j"], lambda i, j, m: (i, j), v=f.randn(2), i=i64(0, 2), j=i64(3, 1))
    put("apart", ["i", ":", "j"], lambda i, j, m: (i, S(None), j), v=f.randn(2, 4), i=i64(0, 2), j=i64(1, 0))
    put("mask", ["m"], lambda i, j, m: m, value=0, m=f.randn(3, 4, 2) > 0)
    at("index_put_accumulate", "indexPut", lambda x, i, v: x.index_put((i,), v, accumulate=True), dict(**x, i=i64(1, 1, 0), v=f.randn(3, 4, 2)),
       indices=["i"], accumulate=True)
    at("index_put_in_place", "indexPut_", lambda x, i, v: x.clone().index_put_((i,), v), dict(**x, i=i64(1, 0), v=f.randn(2)), indices=["i"])
    f.save()


for family in (shape, reduce, sort, indexing):
    family()
