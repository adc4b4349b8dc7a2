"""Writes test/golden/initial-weights.json: the state of freshly made layers after torch.manual_seed(SEED)."""
import json, os
import torch
import torch.nn as nn

SEED = 7
HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = [
    ("Embedding", [5, 4], dict(padding_idx=2)),
    ("EmbeddingBag", [3, 2], dict()),
    ("RNN", [2, 2], dict(nonlinearity="relu")),
    ("LSTM", [2, 3], dict(num_layers=2, bidirectional=True, proj_size=2)),
    ("GRU", [3, 2], dict(bias=False)),
    ("RNNCell", [2, 2], dict()),
    ("LSTMCell", [2, 2], dict()),
    ("GRUCell", [2, 2], dict(bias=False)),
    ("MultiheadAttention", [4, 2], dict()),
    ("MultiheadAttention", [4, 2], dict(kdim=3, vdim=2, add_bias_kv=True)),
    ("TransformerEncoderLayer", [2, 1], dict(dim_feedforward=3)),
]

layers = []
for name, args, kwargs in LAYERS:
    torch.manual_seed(SEED)
    module = getattr(nn, name)(*args, **kwargs)
    state = {key: value.flatten().tolist() for key, value in module.state_dict().items()}
    layers.append(dict(name=name, args=args, kwargs=kwargs, repr=repr(module), state=state))
with open(os.path.join(HERE, "..", "..", "test", "golden", "initial-weights.json"), "w") as f:
    json.dump(dict(torch=torch.__version__, script="tools/golden/initial_weights.py", seed=SEED, layers=layers), f)
