"""Golden data for embedding and embeddingBag: functions and modules."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("embedding", seed=11)


def table(rows=7, dim=3):
    return f.randn(rows, dim)


def embedding(name, input, weight, **kw):
    f.function(name, "embedding", lambda input, weight: F.embedding(input, weight, **kw), dict(input=input, weight=weight), kw)


embedding("embedding", torch.tensor([[1, 4, 1], [0, 6, 2]]), table())
embedding("embedding_int32", torch.tensor([3, 3, 0], dtype=torch.int32), table())
embedding("embedding_scalar", torch.tensor(5), table())
embedding("embedding_empty", torch.zeros(2, 0, dtype=torch.int64), table())
embedding("embedding_padding", torch.tensor([2, 0, 2, 6]), table(), padding_idx=2)
embedding("embedding_negative_padding", torch.tensor([2, 0, 6, 6]), table(), padding_idx=-1)
embedding("embedding_by_frequency", torch.tensor([2, 0, 2, 6, 2, 0]), table(), scale_grad_by_freq=True)
embedding("embedding_padding_by_frequency", torch.tensor([2, 0, 2, 0]), table(), padding_idx=0, scale_grad_by_freq=True)


def renormalized(name, weight, input, **kw):
    """The limit changes the weight in place, which autograd allows on a clone only."""
    f.function(name, "embedding", lambda input, weight: F.embedding(input, weight, **kw), dict(input=input, weight=weight), kw,
               differentiable=[])


renormalized("embedding_max_norm", table() * 2, torch.tensor([0, 1, 5]), max_norm=1.0)
renormalized("embedding_max_norm_1", table() * 2, torch.tensor([0, 1, 5]), max_norm=1.5, norm_type=1.0)


def bag(name, inputs, **kw):
    def run(input, weight, offsets=None, per_sample_weights=None):
        return F.embedding_bag(input, weight, offsets, per_sample_weights=per_sample_weights, **kw)
    f.function(name, "embeddingBag", run, inputs, kw)


flat = torch.tensor([1, 4, 1, 0, 6, 2, 2, 3])
offsets = torch.tensor([0, 3, 3, 6])
for mode in ("sum", "mean", "max"):
    bag(f"bag_{mode}_2d", dict(input=torch.tensor([[1, 4, 1], [0, 6, 2]]), weight=table()), mode=mode)
    bag(f"bag_{mode}_offsets", dict(input=flat, weight=table(), offsets=offsets), mode=mode)
    bag(f"bag_{mode}_last_offset", dict(input=flat, weight=table(), offsets=torch.tensor([0, 3, 3, 8])), mode=mode,
        include_last_offset=True)
    bag(f"bag_{mode}_padding", dict(input=torch.tensor([1, 2, 1, 2, 6, 2, 2, 3]), weight=table(), offsets=torch.tensor([0, 3, 4, 6])),
        mode=mode, padding_idx=2)
bag("bag_default_mode", dict(input=flat, weight=table(), offsets=offsets))
# Every index stands there twice: for unequal counts PyTorch 2.6 divides by the count of another index than it means to
# (embedding_bag looks counts up by a unique index's rank instead of its place), so those results are no reference.
twice = torch.tensor([1, 4, 1, 0, 6, 4, 0, 6])
for mode in ("sum", "mean"):
    bag(f"bag_{mode}_by_frequency", dict(input=twice, weight=table(), offsets=offsets), mode=mode, scale_grad_by_freq=True)
bag("bag_weighted", dict(input=flat, weight=table(), offsets=offsets, per_sample_weights=f.randn(8)), mode="sum")
bag("bag_weighted_2d", dict(input=torch.tensor([[1, 4, 1], [0, 6, 2]]), weight=table(), per_sample_weights=f.randn(2, 3)),
    mode="sum")
bag("bag_weighted_padding", dict(input=flat, weight=table(), offsets=offsets, per_sample_weights=f.randn(8)), mode="sum",
    padding_idx=1)

f.module("Embedding", "Embedding", lambda: nn.Embedding(6, 4), dict(input=torch.tensor([[0, 5], [3, 3]])), args=[6, 4])
f.module("Embedding_padding", "Embedding", lambda: nn.Embedding(6, 4, padding_idx=-3), dict(input=torch.tensor([[0, 5], [3, 3]])),
         args=[6, 4], kwargs=dict(padding_idx=-3))
f.module("EmbeddingBag", "EmbeddingBag", lambda: nn.EmbeddingBag(6, 4), dict(input=torch.tensor([[0, 5], [3, 3]])), args=[6, 4])
f.module("EmbeddingBag_sum", "EmbeddingBag", lambda: nn.EmbeddingBag(6, 4, mode="sum", padding_idx=1, include_last_offset=True),
         dict(input=torch.tensor([0, 1, 3, 3]), offsets=torch.tensor([0, 2, 4]), per_sample_weights=f.rand(4)), args=[6, 4],
         kwargs=dict(mode="sum", padding_idx=1, include_last_offset=True))
f.save()
