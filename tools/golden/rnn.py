"""Golden data for recurrent layers and cells: states, directions, projections, packed sequences."""
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence, pack_sequence
from common import Family

f = Family("rnn", seed=12)
T, B, I, H = 4, 3, 5, 3


def layer(name, op, inputs, call=None, training=True, **kw):
    f.module(name, op, lambda: getattr(nn, op.split(".")[0])(I, H, **kw), inputs, args=[I, H], kwargs=kw, call=call, training=training)


def states(op, count, batch=B, **kw):
    """Initial states: h, and c for LSTM."""
    lead = [count] if batch is None else [count, batch]
    result = dict(h0=f.randn(*lead, kw.get("proj_size") or H))
    if op == "LSTM":
        result["c0"] = f.randn(*lead, H)
    return result


def with_states(m, input, h0, c0=None):
    return m(input, h0 if c0 is None else (h0, c0))


for op in ("RNN", "LSTM", "GRU"):
    layer(op, op, dict(input=f.randn(T, B, I)))
    layer(f"{op}_states", op, dict(input=f.randn(T, B, I), **states(op, 1)), with_states)
    layer(f"{op}_no_bias", op, dict(input=f.randn(T, B, I)), bias=False)
    layer(f"{op}_batch_first", op, dict(input=f.randn(B, T, I), **states(op, 1)), with_states, batch_first=True)
    layer(f"{op}_two_layers", op, dict(input=f.randn(T, B, I), **states(op, 2)), with_states, num_layers=2)
    layer(f"{op}_bidirectional", op, dict(input=f.randn(T, B, I), **states(op, 2)), with_states, bidirectional=True)
    layer(f"{op}_deep_bidirectional", op, dict(input=f.randn(B, T, I), **states(op, 4)), with_states, num_layers=2,
          bidirectional=True, batch_first=True)
    layer(f"{op}_unbatched", op, dict(input=f.randn(T, I)))
    layer(f"{op}_unbatched_states", op, dict(input=f.randn(T, I), **states(op, 2, batch=None)), with_states,
          bidirectional=True, batch_first=True)
    layer(f"{op}_one_step", op, dict(input=f.randn(1, B, I)))
    layer(f"{op}_eval_dropout", op, dict(input=f.randn(T, B, I)), training=False, num_layers=2, dropout=0.5)
    layer(f"{op}_all_dropped", op, dict(input=f.randn(T, B, I)), num_layers=2, dropout=1.0)
layer("RNN_relu", "RNN", dict(input=f.randn(T, B, I), **states("RNN", 2)), with_states, nonlinearity="relu", num_layers=2)
for kw in (dict(), dict(bias=False), dict(num_layers=2, bidirectional=True)):
    name = "_".join(["LSTM_projected", *kw])
    count = kw.get("num_layers", 1) * (2 if kw.get("bidirectional") else 1)
    layer(name, "LSTM", dict(input=f.randn(T, B, I), **states("LSTM", count, proj_size=2)), with_states, proj_size=2, **kw)

# Only the last hidden state is used: no gradient reaches the output.
for op in ("RNN", "LSTM", "GRU"):
    layer(f"{op}_last_state", f"{op}.lastState", dict(input=f.randn(T, B, I)), lambda m, input: m(input)[1])


def packed(m, input, lengths=None, h0=None, c0=None, sorted_lengths=None):
    given = sorted_lengths if lengths is None else lengths
    p = pack_padded_sequence(input, given, batch_first=m.batch_first, enforce_sorted=lengths is None)
    out, last = m(p) if h0 is None else with_states(m, p, h0, c0)
    return pad_packed_sequence(out, batch_first=m.batch_first, padding_value=-1.0), last


down, mixed = torch.tensor([4, 3, 1]), torch.tensor([2, 4, 1])
for op in ("RNN", "LSTM", "GRU"):
    layer(f"{op}_packed_sorted", op, dict(input=f.randn(T, B, I), sorted_lengths=down), packed)
    layer(f"{op}_packed", op, dict(input=f.randn(T, B, I), lengths=mixed, **states(op, 4)), packed, num_layers=2,
          bidirectional=True)
    layer(f"{op}_packed_batch_first", op, dict(input=f.randn(B, T, I), lengths=mixed, **states(op, 1)),
          packed, batch_first=True)

for op in ("RNNCell", "LSTMCell", "GRUCell"):
    cell = op[:-4]
    layer(op, op, dict(input=f.randn(B, I)))
    layer(f"{op}_unbatched", op, dict(input=f.randn(I)))
    inputs = dict(input=f.randn(B, I), h0=f.randn(B, H), **(dict(c0=f.randn(B, H)) if cell == "LSTM" else {}))
    layer(f"{op}_states", op, inputs, with_states)
    layer(f"{op}_no_bias", op, inputs, with_states, bias=False)
layer("RNNCell_relu", "RNNCell", dict(input=f.randn(B, I), h0=f.randn(B, H)), with_states, nonlinearity="relu")

# Packing and padding by themselves. `kwargs` of pack are those of packPaddedSequence, of pad those of padPackedSequence.
for name, lengths, kw in (("sorted", down, dict()), ("unsorted", mixed, dict(enforce_sorted=False)),
                          ("batch_first", mixed, dict(enforce_sorted=False, batch_first=True))):
    def pack(input, lengths, kw=kw):
        p = pack_padded_sequence(input, lengths, **kw)
        return [p.data, p.batch_sizes] + ([p.sorted_indices, p.unsorted_indices] if p.sorted_indices is not None else [])
    shape = (B, T, 2) if kw.get("batch_first") else (T, B, 2)
    f.function(f"pack_{name}", "packPaddedSequence", pack, dict(input=f.randn(*shape), lengths=lengths), kw)
for name, kw in (("", dict()), ("_batch_first", dict(batch_first=True)), ("_total", dict(total_length=6, padding_value=-2.5))):
    def pad(input, lengths, kw=kw):
        return pad_packed_sequence(pack_padded_sequence(input, lengths, enforce_sorted=False), **kw)
    f.function(f"pad_packed{name}", "padPackedSequence", pad, dict(input=f.randn(T, B, 2), lengths=mixed), kw)
for name, kw in (("", dict()), ("_left", dict(padding_side="left")), ("_batch_first", dict(batch_first=True, padding_value=3.0))):
    f.function(f"pad_sequence{name}", "padSequence", lambda a, b, c, kw=kw: pad_sequence([a, b, c], **kw),
               dict(a=f.randn(2, 2), b=f.randn(4, 2), c=f.randn(1, 2)), kw)
f.function("pack_sequence", "packSequence", lambda a, b, c: pack_sequence([a, b, c], enforce_sorted=False).data,
           dict(a=f.randn(2, 2), b=f.randn(4, 2), c=f.randn(1, 2)), dict(enforce_sorted=False))
f.save()
