"""Node lists of small networks as torch.fx traces them, for test/fx/trace.test.ts, which writes the same networks in
TypeScript. Writes test/golden/fx/trace.json: for each network the printed graph, and op, name, target and arguments of
every node. Targets of functions are reduced to their own names (`torch.nn.functional.relu` gives `relu`).
"""
import json, os, operator
import torch
from torch import nn, fx
import torch.nn.functional as F
from torch.fx.node import _format_arg

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "golden", "fx")
networks = {}


def network(fn):
    networks[fn.__name__] = fn
    return fn


@fx.wrap
def clipped_sum(x, limit):
    return x.clamp(max=limit).sum()


@network
class ResidualCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y = y + x
        y = self.relu(y)
        y = F.adaptive_avg_pool2d(y, 1)
        y = torch.flatten(y, 1)
        return self.fc(y)


@network
class Functionals(nn.Module):
    def forward(self, x):
        x = F.max_pool2d(x, 2)
        x = F.avg_pool2d(x, 2)
        x = F.hardtanh(x)
        x = F.leaky_relu(x, 0.5)
        x = torch.sigmoid(x)
        x = torch.tanh(x)
        x = F.gelu(x)
        return F.log_softmax(x, 1)


@network
class CatAdd(nn.Module):
    def forward(self, x, y):
        a = x + y
        b = torch.cat([a, x], 1)
        c = torch.stack([a, y])
        return b, c, b + 1, 2 * c


@network
class ReluClash(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(F.relu(self.relu(x))) + F.relu(x)


@network
class SequentialChildren(nn.Module):
    def __init__(self):
        super().__init__()
        self.seq = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Tanh()))

    def forward(self, x):
        return self.seq(x)


def plain_sequential():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5))


networks["PlainSequential"] = plain_sequential


@network
class LstmUnpacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return out, h + c


@network
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(4, 4)
        self.k = nn.Linear(4, 4)
        self.v = nn.Linear(4, 4)
        self.mha = nn.MultiheadAttention(4, 2)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = torch.matmul(q, k.transpose(-2, -1)) / 2.0
        mixed = F.softmax(scores, -1) @ v
        out, weights = self.mha(mixed, mixed, mixed)
        return out


@network
class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(10, 4)
        self.bag = nn.EmbeddingBag(10, 4)

    def forward(self, tokens, offsets):
        return self.emb(tokens).mean(0) + self.bag(tokens, offsets)


@network
class SizeView(nn.Module):
    def forward(self, x):
        x = x.view(x.size(0), -1)
        y = x.reshape(-1)
        z = x.permute(1, 0).contiguous()
        return y, z.unsqueeze(0), x.size()


@network
class ShapeUnpack(nn.Module):
    def forward(self, x):
        n, c, h, w = x.shape
        rows = x.view(n, c * h, w)
        return rows, x.dtype, x.shape[-1]


@network
class Inplace(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = x * 2
        x.relu_()
        x.clamp_(min=0, max=1)
        return self.relu(x).add_(1)


@network
class BuffersAndParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.bias = nn.Parameter(torch.randn(4))
        self.register_buffer("offset", torch.randn(4))

    def forward(self, x):
        y = F.linear(x, self.weight, self.bias) + self.offset
        return y - self.offset * self.bias


@network
class ParameterOnly(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 3))

    def forward(self, x):
        return torch.matmul(x, torch.relu(self.w))


@network
class Constants(nn.Module):
    def forward(self, x):
        return x + torch.ones(3), x * torch.arange(3)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.act = nn.Sequential(nn.ReLU(), nn.Hardswish())

    def forward(self, x, scale):
        return self.act(self.lin(x)) * scale


@network
class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.named = nn.ModuleDict({"last": Block()})

    def forward(self, x):
        x = self.first(x, 2)
        for block in self.blocks:
            x = block(x, 3)
        return self.named["last"](self.first(x, 4), 5)


@network
class Wrapped(nn.Module):
    def forward(self, x):
        return clipped_sum(x, 2) + clipped_sum(x, 3)


@network
class Concrete(nn.Module):
    def forward(self, x, times, skip=None):
        for _ in range(times):
            x = x + 1
        return x if skip is None else x + skip


@network
class Interpolated(nn.Module):
    def forward(self, x):
        y = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.pad(y, [1, 1])


@network
class Defaults(nn.Module):
    def forward(self, x, y=3, input=None, mode="a"):
        return x * y


@network
class PythonNames(nn.Module):
    def forward(self, input, len):
        a = input.sum() + torch.sum(input)
        b = len.max() - torch.min(len, input)
        c = input.abs().pow(2).all().any()
        return a, b, c, input.float(), torch.round(len), input.t()


@network
class Operators(nn.Module):
    def forward(self, x, y):
        a = x / y
        b = x // y
        c = x % y
        d = x @ y
        e = -x
        f = x ** 2
        g = x == y
        h = x != y
        i = x < y
        j = x <= y
        k = x > y
        m = x >= y
        n = x - y
        o = g & h
        return a, b, c, d, e, f, g, h, i, j, k, m, n, o


@network
class Items(nn.Module):
    def forward(self, x):
        parts = x.chunk(2, 1)
        top = x.topk(2)
        return x[0], x[:, 0], x[..., None], parts[1], top[0]


@network
class Dictionaries(nn.Module):
    def forward(self, x):
        y = torch.relu(x)
        return {"out": y, "aux": [x, {"sum": y + x}]}


@network
class SharedModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.alias = self.lin

    def forward(self, x):
        return self.alias(self.lin(x))


@network
class NumberedNames(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_1 = nn.Identity()
        self.layer1 = nn.Identity()
        self.convA = nn.Identity()

    def forward(self, x):
        x = x + 1
        x = x + 2
        x = self.add_1(x)
        x = x + 3
        return self.convA(self.layer1(x))


@network
class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        y = self.drop(self.norm(x))
        y = y.masked_fill(x > 0, 0).softmax(-1)
        return torch.where(x > 0, x, y).mean(-1, True)


def free_function():
    def scaled(x, factor):
        return torch.mul(x, factor).sigmoid()

    return scaled


networks["FreeFunction"] = free_function

CONCRETE = {"Concrete": {"times": 2, "skip": None}}


def target_of(node):
    return node.target if isinstance(node.target, str) else node.target.__name__


def record(name):
    graph = fx.symbolic_trace(networks[name](), concrete_args=CONCRETE.get(name)).graph
    nodes = [[n.op, n.name, target_of(n), _format_arg(list(n.args)), _format_arg(dict(n.kwargs))] for n in graph.nodes]
    return {"nodes": nodes, "text": str(graph)}


os.makedirs(OUT, exist_ok=True)
with open(os.path.join(OUT, "trace.json"), "w") as f:
    json.dump({name: record(name) for name in networks}, f, indent=1)
    f.write("\n")
print(len(networks), "networks")
