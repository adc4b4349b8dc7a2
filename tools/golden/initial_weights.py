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
    ("Linear", [3, 5], dict()),
    ("Linear", [20, 2], dict(bias=False)),
    ("Bilinear", [3, 2, 4], dict()),
    ("Conv1d", [3, 4, 3], dict(stride=2, padding=1)),
    ("Conv2d", [3, 4, 3], dict()),
    ("Conv2d", [4, 6, [3, 2]], dict(stride=[2, 1], padding=[1, 0], dilation=[1, 2], groups=2, bias=False)),
    ("Conv2d", [2, 2, 3], dict(padding="same", padding_mode="reflect")),
    ("Conv3d", [2, 3, 2], dict(padding=1)),
    ("ConvTranspose1d", [3, 2, 3], dict(stride=2, output_padding=1)),
    ("ConvTranspose2d", [4, 6, 3], dict(groups=2, padding=1, dilation=2)),
    ("ConvTranspose3d", [2, 3, 2], dict()),
    ("BatchNorm1d", [3], dict()),
    ("BatchNorm2d", [3], dict(eps=1e-3, momentum=0.5, affine=False)),
    ("BatchNorm3d", [3], dict(track_running_stats=False)),
    ("InstanceNorm1d", [3], dict()),
    ("InstanceNorm2d", [3], dict(affine=True, track_running_stats=True, momentum=1.0)),
    ("InstanceNorm3d", [3], dict(eps=1e-12)),
    ("LayerNorm", [4], dict()),
    ("LayerNorm", [[2, 3]], dict(bias=False)),
    ("GroupNorm", [2, 4], dict()),
    ("GroupNorm", [2, 4], dict(affine=False, eps=0.25)),
    ("RMSNorm", [4], dict()),
    ("RMSNorm", [[2, 3]], dict(eps=1e-6, elementwise_affine=False)),
    ("MaxPool1d", [3], dict(stride=2)),
    ("MaxPool2d", [[3, 2]], dict(padding=[1, 0], ceil_mode=True)),
    ("MaxPool3d", [2], dict(dilation=2)),
    ("AvgPool1d", [3], dict(padding=1)),
    ("AvgPool2d", [[3, 2]], dict(stride=2)),
    ("AvgPool3d", [2], dict(stride=[1, 2, 1])),
    ("AdaptiveAvgPool1d", [1], dict()),
    ("AdaptiveAvgPool2d", [[None, 7]], dict()),
    ("AdaptiveAvgPool3d", [[1, 2, 3]], dict()),
    ("AdaptiveMaxPool1d", [5], dict()),
    ("AdaptiveMaxPool2d", [[3, 3]], dict()),
    ("AdaptiveMaxPool3d", [2], dict()),
    ("ConstantPad1d", [2, 3.5], dict()),
    ("ConstantPad2d", [[1, 2, 3, 4], 0], dict()),
    ("ZeroPad2d", [1], dict()),
    ("ReflectionPad1d", [[1, 2]], dict()),
    ("ReplicationPad3d", [1], dict()),
    ("CircularPad2d", [[1, 0, 0, 2]], dict()),
    ("Upsample", [], dict(scale_factor=2)),
    ("Upsample", [], dict(scale_factor=[1.5, 2.0], mode="bilinear")),
    ("Upsample", [], dict(size=[5, 7])),
    ("UpsamplingNearest2d", [], dict(size=4)),
    ("UpsamplingBilinear2d", [], dict(scale_factor=2)),
    ("PixelShuffle", [2], dict()),
    ("PixelUnshuffle", [3], dict()),
    ("ChannelShuffle", [4], dict()),
]



def tuples(value):
    """JSON has lists where PyTorch's users write, and see printed, tuples."""
    return tuple(value) if isinstance(value, list) else value


layers = []
for name, args, kwargs in LAYERS:
    torch.manual_seed(SEED)
    module = getattr(nn, name)(*map(tuples, args), **{key: tuples(value) for key, value in kwargs.items()})
    state = {key: value.flatten().tolist() for key, value in module.state_dict().items()}
    layers.append(dict(name=name, args=args, kwargs=kwargs, repr=repr(module), state=state))
with open(os.path.join(HERE, "..", "..", "test", "golden", "initial-weights.json"), "w") as f:
    json.dump(dict(torch=torch.__version__, script="tools/golden/initial_weights.py", seed=SEED, layers=layers), f)
