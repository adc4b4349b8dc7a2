"""Golden cases of src/ops/loss*.ts and of their modules."""
import torch
import torch.nn.functional as F
from torch import nn
from common import Family

f = Family("loss", seed=3)
REDUCTIONS = ("none", "mean", "sum")


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def case(name, fn, inputs, weights=(), **kwargs):
    """fn(*inputs, **kwargs) with every reduction. `weights` are inputs that go in by keyword; they get no gradient, nor do `fixed` ones."""
    fixed = (*weights, *kwargs.pop("fixed", ()))
    differentiable = [k for k, v in inputs.items() if v.is_floating_point() and k not in fixed]
    for reduction in kwargs.pop("reductions", REDUCTIONS):
        kw = dict(kwargs, reduction=reduction)

        def call(kw=kw, **i):
            named = {k: i.pop(k) for k in list(i) if k in weights}
            return fn(*i.values(), **named, **kw)

        f.function(f"{name}_{reduction}", camel(fn.__name__), call, inputs, kw, differentiable=differentiable)


def probabilities(*shape):
    return torch.softmax(f.randn(*shape), 1)


def signs(*shape):
    return torch.where(f.rand(*shape) < 0.5, -1.0, 1.0)


# ---------------------------------------------------------------- numbers

pair = lambda *shape: dict(input=f.randn(*shape), target=f.randn(*shape))
case("mse", F.mse_loss, pair(3, 4))
case("l1", F.l1_loss, pair(3, 4))
case("smooth_l1", F.smooth_l1_loss, pair(3, 4))
case("smooth_l1_beta", F.smooth_l1_loss, pair(3, 4), beta=0.3)
case("smooth_l1_sharp", F.smooth_l1_loss, pair(3, 4), beta=0.0)
case("huber", F.huber_loss, pair(3, 4))
case("huber_delta", F.huber_loss, pair(3, 4), delta=0.4)
case("mse_empty", F.mse_loss, pair(0, 4))
same = f.randn(4)
case("l1_equal", F.l1_loss, dict(input=same, target=same.clone()))
case("smooth_l1_equal", F.smooth_l1_loss, dict(input=same, target=same.clone()))
case("huber_equal", F.huber_loss, dict(input=same, target=same.clone()))
kl = dict(input=torch.log_softmax(f.randn(3, 4), 1), target=probabilities(3, 4))
case("kl_div", F.kl_div, kl, reductions=(*REDUCTIONS, "batchmean"))
case("kl_div_log", F.kl_div, dict(input=kl["input"], target=kl["target"].log()), log_target=True, reductions=(*REDUCTIONS, "batchmean"))
f.function("kl_div_zero_target", "klDiv", lambda input, target: F.kl_div(input, target, reduction="sum"),
           dict(input=f.randn(4), target=torch.tensor([0.0, 0.5, 0.5, 0.0])), dict(reduction="sum"), differentiable=["input"])
counts = torch.tensor([[0.0, 1.0, 2.0], [5.0, 3.0, 1.0]])
for name, kw in dict(poisson_nll={}, poisson_nll_full=dict(full=True), poisson_nll_rate=dict(log_input=False, eps=1e-3)).items():
    reductions = [f.function(f"{name}_{r}", "poissonNllLoss",
                             lambda input, target, kw=dict(kw, reduction=r): F.poisson_nll_loss(input, target, **kw),
                             dict(input=f.rand(2, 3) + 0.1, target=counts), dict(kw, reduction=r), differentiable=["input"]) for r in REDUCTIONS]
triple = dict(input=f.randn(3, 4), target=f.randn(3, 4), var=f.rand(3, 4) + 0.1)
case("gaussian_nll", F.gaussian_nll_loss, triple)
case("gaussian_nll_full", F.gaussian_nll_loss, triple, full=True)
case("gaussian_nll_rows", F.gaussian_nll_loss, dict(triple, var=f.rand(3) + 0.1))
case("gaussian_nll_column", F.gaussian_nll_loss, dict(triple, var=f.rand(3, 1) + 0.1))
case("gaussian_nll_limited", F.gaussian_nll_loss, dict(triple, var=torch.tensor([[0.0, 0.2, 0.1, 1.0]] * 3)), eps=0.15)

# ---------------------------------------------------------------- classes

weight = torch.tensor([0.5, 2.0, 1.0, 0.1])
for name, shape, target_shape in [("nll", (5, 4), (5,)), ("nll_2d", (2, 4, 3, 2), (2, 3, 2)), ("nll_1d", (2, 4, 3), (2, 3)), ("nll_single", (4,), ())]:
    inputs = dict(input=torch.log_softmax(f.randn(*shape), 0 if len(shape) == 1 else 1), target=f.randint(0, 4, target_shape))
    case(name, F.nll_loss, inputs)
    case(f"{name}_weight", F.nll_loss, dict(inputs, weight=weight), weights=["weight"])
    ignored = inputs["target"].reshape(-1)[0].item()
    case(f"{name}_ignore", F.nll_loss, dict(inputs, weight=weight), weights=["weight"], ignore_index=ignored)
case("nll_all_ignored", F.nll_loss, dict(input=f.randn(2, 4), target=torch.tensor([-100, -100])))
case("nll_empty", F.nll_loss, dict(input=f.randn(0, 4), target=torch.zeros(0, dtype=torch.int64)))

for name, shape, target_shape in [("ce", (5, 4), (5,)), ("ce_2d", (2, 4, 3, 2), (2, 3, 2)), ("ce_single", (4,), ())]:
    indices = dict(input=f.randn(*shape), target=f.randint(0, 4, target_shape))
    soft = dict(input=f.randn(*shape), target=torch.softmax(f.randn(*shape), 0 if len(shape) == 1 else 1))
    ignored = indices["target"].reshape(-1)[0].item()
    for suffix, extra, weights in [("", {}, []), ("_weight", dict(weight=weight), ["weight"])]:
        for smoothing in (0.0, 0.2):
            tag = f"{suffix}_smooth" if smoothing else suffix
            case(f"{name}{tag}", F.cross_entropy, dict(indices, **extra), weights, label_smoothing=smoothing)
            case(f"{name}{tag}_ignore", F.cross_entropy, dict(indices, **extra), weights, label_smoothing=smoothing, ignore_index=ignored)
            case(f"{name}{tag}_soft", F.cross_entropy, dict(soft, **extra), weights, label_smoothing=smoothing)

labels = (f.rand(3, 4) < 0.5).float()
between = dict(input=f.rand(3, 4) * 0.8 + 0.1, target=f.rand(3, 4))
case("bce", F.binary_cross_entropy, between)
case("bce_weight", F.binary_cross_entropy, dict(between, weight=f.rand(3, 4)), weights=["weight"])
case("bce_weight_row", F.binary_cross_entropy, dict(between, weight=f.rand(4)), weights=["weight"])
case("bce_certain", F.binary_cross_entropy, dict(input=torch.tensor([0.0, 1.0, 0.0, 1.0]), target=torch.tensor([0.0, 1.0, 1.0, 0.0])))
logits = dict(input=f.randn(3, 4) * 3, target=f.rand(3, 4))
case("bce_logits", F.binary_cross_entropy_with_logits, logits)
case("bce_logits_weight", F.binary_cross_entropy_with_logits, dict(logits, weight=f.rand(3, 4)), weights=["weight"])
case("bce_logits_pos_weight", F.binary_cross_entropy_with_logits, dict(logits, pos_weight=f.rand(4) * 3), weights=["pos_weight"])
case("bce_logits_both", F.binary_cross_entropy_with_logits, dict(logits, weight=f.rand(3, 1), pos_weight=f.rand(4) * 3), weights=["weight", "pos_weight"])
case("bce_logits_large", F.binary_cross_entropy_with_logits, dict(input=torch.tensor([100.0, -100.0, 0.0]), target=torch.tensor([0.0, 1.0, 1.0])))
case("multilabel_soft_margin", F.multilabel_soft_margin_loss, dict(input=f.randn(3, 4), target=labels))
case("multilabel_soft_margin_weight", F.multilabel_soft_margin_loss, dict(input=f.randn(3, 4), target=labels, weight=weight), weights=["weight"])
classes = dict(input=f.randn(5, 4), target=f.randint(0, 4, (5,)))
case("multi_margin", F.multi_margin_loss, classes)
case("multi_margin_options", F.multi_margin_loss, dict(classes, weight=weight), weights=["weight"], p=2, margin=0.7)
case("multi_margin_single", F.multi_margin_loss, dict(input=f.randn(4), target=torch.tensor(2)))

# ---------------------------------------------------------------- distances and margins

f.function("cosine_similarity", "cosineSimilarity", lambda a, b: F.cosine_similarity(a, b), dict(a=f.randn(3, 4), b=f.randn(3, 4)))
f.function("cosine_similarity_dim", "cosineSimilarity", lambda a, b: F.cosine_similarity(a, b, dim=0), dict(a=f.randn(3, 4), b=f.randn(3, 1)), dict(dim=0))
f.function("cosine_similarity_zero", "cosineSimilarity", lambda a, b: F.cosine_similarity(a, b), dict(a=torch.zeros(1, 3), b=f.randn(1, 3)))
f.function("pairwise_distance", "pairwiseDistance", lambda a, b: F.pairwise_distance(a, b), dict(a=f.randn(3, 4), b=f.randn(3, 4)))
f.function("pairwise_distance_options", "pairwiseDistance", lambda a, b: F.pairwise_distance(a, b, p=1.0, eps=1e-3, keepdim=True),
           dict(a=f.randn(3, 4), b=f.randn(4)), dict(p=1.0, eps=1e-3, keepdim=True))
pos = lambda *shape: {k: v for k, v in dict(a=f.randn(*shape), b=f.randn(*shape)).items()}
case("margin_ranking", F.margin_ranking_loss, dict(**pos(6), target=signs(6)))
case("margin_ranking_margin", F.margin_ranking_loss, dict(**pos(6), target=signs(6)), margin=0.5)
case("hinge_embedding", F.hinge_embedding_loss, dict(input=f.randn(6), target=signs(6)))
case("hinge_embedding_margin", F.hinge_embedding_loss, dict(input=f.randn(6), target=signs(6)), margin=0.3)
case("soft_margin", F.soft_margin_loss, dict(input=f.randn(6), target=signs(6)), fixed=["target"])
case("cosine_embedding", F.cosine_embedding_loss, dict(**pos(4, 3), target=signs(4)))
case("cosine_embedding_margin", F.cosine_embedding_loss, dict(**pos(4, 3), target=signs(4)), margin=0.3)
case("cosine_embedding_single", F.cosine_embedding_loss, dict(**pos(3), target=torch.tensor(1.0)))
three = lambda: dict(anchor=f.randn(4, 3), positive=f.randn(4, 3), negative=f.randn(4, 3))
case("triplet", F.triplet_margin_loss, three())
case("triplet_options", F.triplet_margin_loss, three(), margin=0.5, p=3.0, swap=True)

# ---------------------------------------------------------------- modules

one_hot = dict(input=f.rand(3, 4) * 0.8 + 0.1, target=labels)
MODULES = [("L1Loss", {}, pair(3, 4)), ("MSELoss", dict(reduction="sum"), pair(3, 4)), ("SmoothL1Loss", dict(beta=0.5), pair(3, 4)),
           ("HuberLoss", dict(delta=0.5), pair(3, 4)), ("KLDivLoss", dict(reduction="batchmean", log_target=True), pair(3, 4)),
           ("PoissonNLLLoss", dict(full=True), dict(input=f.randn(2, 3), target=counts)), ("GaussianNLLLoss", dict(full=True), triple),
           ("NLLLoss", dict(ignore_index=1), dict(input=f.randn(3, 4), target=torch.tensor([0, 1, 3]))),
           ("CrossEntropyLoss", dict(label_smoothing=0.1), dict(input=f.randn(3, 4), target=torch.tensor([0, 1, 3]))),
           ("BCELoss", {}, one_hot), ("BCEWithLogitsLoss", {}, dict(input=f.randn(3, 4), target=labels)),
           ("MultiLabelSoftMarginLoss", {}, dict(input=f.randn(3, 4), target=labels)), ("MultiMarginLoss", dict(p=2, margin=0.5), classes),
           ("MarginRankingLoss", dict(margin=0.2), dict(**pos(6), target=signs(6))), ("HingeEmbeddingLoss", {}, dict(input=f.randn(6), target=signs(6))),
           ("SoftMarginLoss", {}, dict(input=f.randn(6), target=signs(6))), ("CosineEmbeddingLoss", {}, dict(**pos(4, 3), target=signs(4))),
           ("TripletMarginLoss", dict(swap=True), three()), ("CosineSimilarity", dict(dim=0), pos(4, 3)), ("PairwiseDistance", dict(p=1.0), pos(4, 3))]
for name, kwargs, inputs in MODULES:
    fixed = name in ("PoissonNLLLoss", "MultiLabelSoftMarginLoss", "MarginRankingLoss", "HingeEmbeddingLoss", "SoftMarginLoss", "CosineEmbeddingLoss", "BCELoss")
    differentiable = [k for k, v in inputs.items() if v.is_floating_point() and not (fixed and k == "target")]
    f.module(name, name, lambda name=name, kw=kwargs: getattr(nn, name)(**kw), inputs, kwargs=kwargs, differentiable=differentiable)
for name, inputs in [("NLLLoss", dict(input=f.randn(3, 4), target=torch.tensor([0, 1, 3]))),
                     ("CrossEntropyLoss", dict(input=f.randn(3, 4), target=torch.tensor([0, 1, 3]))), ("BCELoss", one_hot),
                     ("MultiLabelSoftMarginLoss", dict(input=f.randn(3, 4), target=labels)), ("MultiMarginLoss", classes)]:
    f.module(f"{name}_weight", name, lambda name=name: getattr(nn, name)(weight=weight), inputs, differentiable=["input"])
f.module("BCEWithLogitsLoss_weights", "BCEWithLogitsLoss", lambda: nn.BCEWithLogitsLoss(weight=weight, pos_weight=weight + 1),
         dict(input=f.randn(3, 4), target=labels), differentiable=["input"])

f.save()
