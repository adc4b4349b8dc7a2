"""Writes tools/compat/float-api.json: the public names of PyTorch's float side, for the compatibility table.

An entry is {"path", "group", "kind"} and, for classes, "methods": what the class itself adds to its bases. Kinds: function,
class, method, property, dtype. In torch and torch.Tensor only names with a docstring count: the others are kernels that
happen to be reachable from Python.
"""
import inspect, json, os, re
import torch
import torch.optim.lr_scheduler, torch.utils.data, torch.nn.utils.rnn

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat", "float-api.json")
# Helpers that classes and namespaces leave lying about.
NO_API = {"assert_int_or_pair", "boolean_dispatch", "invert_permutation", "argument_validation", "runtime_validation",
          "runtime_validation_disabled", "functional_datapipe", "non_deterministic", "guaranteed_datapipes_determinism",
          "OptimizerPostHook", "OptimizerPreHook", "profile_hook_step", "get_expected_cell_size", "get_expected_hidden_size",
          "check_forward_args", "check_input", "check_hidden_size", "permute_hidden", "merge_masks", "scale_fn",
          "is_better", "recursive_undo", "check_worker_number_rationality", "native_channel_shuffle"}
# Used everywhere, although they have no docstring.
UNDOCUMENTED = {"relu", "relu_", "log_softmax", "masked_fill"}


def kind_of(value):
    if inspect.isclass(value):
        return "class"
    if isinstance(value, torch.dtype):
        return "dtype"
    return "function" if callable(value) else "value"


def methods_of(cls):
    """Public methods, class methods and static methods in the body of `cls`; forward and extra_repr are every module's."""
    callables = (classmethod, staticmethod, type(lambda: 0))
    skipped = NO_API | ({"forward", "extra_repr"} if cls is not torch.nn.Module else set())
    return [n for n, v in vars(cls).items() if isinstance(v, callables) and not n.startswith("_") and n not in skipped]


def entries(group, owner, prefix, names):
    for name in sorted(set(names) - NO_API):
        value = getattr(owner, name)
        entry = dict(path=f"{prefix}.{name}", group=group, kind=kind_of(value))
        if entry["kind"] == "class":
            entry["methods"] = methods_of(value)
        yield entry


def visible(owner, accept):
    return [n for n in dir(owner) if not n.startswith("_") and accept(getattr(owner, n))]


def listed(owner):
    return [n for n in owner.__all__ if not n.startswith("_") and not inspect.ismodule(getattr(owner, n))]


def functions(owner):
    """Functions that belong to `owner`: defined there, or a kernel of torch._C shown there."""
    def accept(value):
        where = getattr(value, "__module__", None) or "torch._C"
        belongs = where == owner.__name__ or where.startswith(owner.__name__ + ".") or where.startswith("torch._C") or where in (
            "torch", "torch.functional", "torch._jit_internal")
        helper = getattr(value, "__name__", "").find("torch_function") >= 0
        return callable(value) and not inspect.isclass(value) and belongs and not helper
    return visible(owner, accept)


def classes(owner):
    return visible(owner, inspect.isclass)


def torch_names():
    """dtypes with whole bytes, documented functions on tensors, and the gradient modes."""
    overridable = [f.__name__ for f in torch.overrides.get_overridable_functions()[torch]]
    others = [f.__name__ for f in torch.overrides.get_ignored_functions() if getattr(torch, getattr(f, "__name__", ""), None) is f]
    dtypes = [n for n in dir(torch) if isinstance(getattr(torch, n), torch.dtype)
              and re.fullmatch(r"(float|u?int|complex)(8|16|32|64|128)(_\w+)?|bfloat16|bool", n)]
    modes = ["no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "is_grad_enabled"]
    documented = [n for n in overridable + others if hasattr(torch, n) and (getattr(torch, n).__doc__ or n in UNDOCUMENTED) and not inspect.isclass(getattr(torch, n))]
    return [n for n in documented + dtypes + modes if not n.startswith("_")]


def tensor_members():
    names = visible(torch.Tensor, lambda value: value.__doc__ or not callable(value) or value.__name__ in UNDOCUMENTED)
    for name in names:
        kind = "method" if callable(inspect.getattr_static(torch.Tensor, name)) else "property"
        yield dict(path=f"torch.Tensor.{name}", group="torch.Tensor", kind=kind)


def main():
    nn, optim, data, autograd = torch.nn, torch.optim, torch.utils.data, torch.autograd
    rows = [*entries("torch", torch, "torch", torch_names()), *tensor_members()]
    rows += entries("torch.autograd", autograd, "torch.autograd", [n for n in listed(autograd) if n != "variable"])
    rows += entries("torch.nn", nn, "torch.nn", classes(nn))
    rows += entries("torch.nn.functional", nn.functional, "torch.nn.functional", functions(nn.functional))
    rows += entries("torch.nn.init", nn.init, "torch.nn.init", functions(nn.init))
    rows += entries("torch.nn.utils", nn.utils, "torch.nn.utils", functions(nn.utils))
    rows += entries("torch.nn.utils", nn.utils.rnn, "torch.nn.utils.rnn", listed(nn.utils.rnn))
    rows += entries("torch.optim", optim, "torch.optim", listed(optim))
    rows += entries("torch.optim", optim.lr_scheduler, "torch.optim.lr_scheduler", listed(optim.lr_scheduler))
    rows += entries("torch.utils.data", data, "torch.utils.data", listed(data))
    with open(OUT, "w") as f:
        f.write(json.dumps(dict(torch=torch.__version__.split("+")[0], script="tools/golden/float_api.py"))[:-1] + ', "names": [\n')
        f.write(",\n".join(json.dumps(row) for row in rows) + "\n]}\n")
    print(f"{len(rows)} names")


main()
