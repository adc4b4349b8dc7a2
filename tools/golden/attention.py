"""Golden data for attention: scaledDotProductAttention, MultiheadAttention, the Transformer encoder."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("attention", seed=13)
L, S, N, E = 3, 4, 2, 6


def sdpa(name, inputs, **kw):
    def run(query, key, value, attn_mask=None):
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return F.scaled_dot_product_attention(query, key, value, attn_mask, **kw)
    f.function(name, "scaledDotProductAttention", run, inputs, kw)


def qkv(*lead, width=E):
    return dict(query=f.randn(*lead, L, width), key=f.randn(*lead, S, width), value=f.randn(*lead, S, 5))


keep = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]], dtype=torch.bool)
sdpa("sdpa", qkv(N, 2))
sdpa("sdpa_matrix", qkv())
sdpa("sdpa_scale", qkv(N), scale=0.3)
sdpa("sdpa_negative_scale", qkv(N), scale=-0.3)
sdpa("sdpa_causal", qkv(N, 2), is_causal=True)
sdpa("sdpa_bool_mask", dict(**qkv(N, 2), attn_mask=keep))
sdpa("sdpa_fully_masked_row", dict(**qkv(N), attn_mask=torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.bool)))
sdpa("sdpa_float_mask", dict(**qkv(N, 2), attn_mask=f.randn(N, 1, L, S)))


# What a call asks for stands in the op's name, because a case's keywords are those of the constructor.
CALLS = dict(noWeights=dict(need_weights=False), perHead=dict(average_attn_weights=False), causal=dict(is_causal=True),
             causalHint=dict(is_causal=True, need_weights=False))


def mha(name, inputs, asks=None, training=True, differentiable=None, **make):
    """`query` alone stands for key and value too."""
    given = CALLS.get(asks, {})

    def call(m, query, key=None, value=None, **masks):
        if key is None:
            key = value = query
        out, weights = m(query, key, value, **masks, **given)
        return out if weights is None else (out, weights)

    op = f"MultiheadAttention.{asks}" if asks else "MultiheadAttention"
    f.module(name, op, lambda: nudged(nn.MultiheadAttention(E, 2, **make)), inputs, args=[E, 2], kwargs=make,
             call=call, training=training, differentiable=differentiable)


def nudged(m):
    """Biases start at zero, which would hide mistakes."""
    with torch.no_grad():
        for key, p in m.named_parameters():
            if key.endswith("bias"):
                p.uniform_(-0.5, 0.5)
    return m


def three(kdim=E, vdim=E):
    return dict(query=f.randn(L, N, E), key=f.randn(S, N, kdim), value=f.randn(S, N, vdim))


ignore = torch.tensor([[0, 0, 0, 1], [0, 1, 0, 0]], dtype=torch.bool)
mha("mha_self", dict(query=f.randn(L, N, E)))
mha("mha", three())
mha("mha_no_weights", three(), "noWeights")
mha("mha_per_head", three(), "perHead")
mha("mha_eval", three(), training=False, dropout=0.5)
mha("mha_no_bias", three(), bias=False)
mha("mha_dims", three(4, 3), kdim=4, vdim=3)
mha("mha_batch_first", dict(query=f.randn(N, L, E), key=f.randn(N, S, E), value=f.randn(N, S, E)), batch_first=True)
mha("mha_batch_first_self", dict(query=f.randn(N, L, E)), batch_first=True)
mha("mha_unbatched", dict(query=f.randn(L, E), key=f.randn(S, E), value=f.randn(S, E)))
mha("mha_unbatched_self", dict(query=f.randn(L, E)), "noWeights", batch_first=True)
mha("mha_unbatched_padding", dict(query=f.randn(L, E), key=f.randn(S, E), value=f.randn(S, E), key_padding_mask=ignore[0]))
mha("mha_extra_keys", dict(**three(), attn_mask=~keep, key_padding_mask=ignore & False), add_bias_kv=True, add_zero_attn=True)
mha("mha_bias_kv", three(), "noWeights", add_bias_kv=True)
mha("mha_zero_attn", dict(**three(), key_padding_mask=ignore), add_zero_attn=True)
mha("mha_padding", dict(**three(), key_padding_mask=ignore))
mha("mha_padding_no_weights", dict(**three(), key_padding_mask=ignore), "noWeights")
mha("mha_bool_mask", dict(**three(), attn_mask=~keep))
mha("mha_bool_mask_no_weights", dict(**three(), attn_mask=~keep), "noWeights")
mha("mha_float_mask", dict(**three(), attn_mask=f.randn(L, S)), differentiable=["query", "key", "value"])
mha("mha_float_masks", dict(**three(), attn_mask=f.randn(L, S), key_padding_mask=f.randn(N, S)), differentiable=["query", "key", "value"])
mha("mha_mask_per_head", dict(**three(), attn_mask=f.randn(N * 2, L, S)), differentiable=["query", "key", "value"])
causal = torch.triu(torch.ones(L, L), 1).bool()
mha("mha_causal", dict(query=f.randn(L, N, E), attn_mask=causal), "causal")
mha("mha_causal_hint", dict(query=f.randn(L, N, E), attn_mask=causal), "causalHint")


def encoder(name, op, make, args, kwargs, inputs, call=None, training=False):
    f.module(name, op, lambda: nudged(make()), inputs, args=args, kwargs=kwargs, call=call, training=training)


def encode(m, src, **masks):
    """Training mode keeps PyTorch off its fused inference path, which is another computation; dropout is 0."""
    return m(src, **masks)


def one(**kw):
    return nn.TransformerEncoderLayer(E, 2, dim_feedforward=8, dropout=0.0, **kw)


for name, kw in (("", {}), ("_gelu", dict(activation="gelu")), ("_norm_first", dict(norm_first=True)),
                 ("_batch_first", dict(batch_first=True)), ("_no_bias", dict(bias=False))):
    shape = (N, L, E) if kw.get("batch_first") else (L, N, E)
    encoder(f"TransformerEncoderLayer{name}", "TransformerEncoderLayer", lambda kw=kw: one(**kw), [E, 2],
            dict(dim_feedforward=8, dropout=0.0, **kw), dict(src=f.randn(*shape)), encode, training=True)
encoder("TransformerEncoderLayer_masks", "TransformerEncoderLayer", one, [E, 2], dict(dim_feedforward=8, dropout=0.0),
        dict(src=f.randn(L, N, E), src_mask=causal, src_key_padding_mask=ignore[:, :L]), encode, training=True)
encoder("TransformerEncoder", "TransformerEncoder", lambda: nn.TransformerEncoder(one(), 2, norm=nn.LayerNorm(E)), [], {},
        dict(src=f.randn(L, N, E)), encode, training=True)
f.save()
