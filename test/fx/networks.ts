/** The networks of tools/golden/fx_trace.py, written in Octet, with inputs on which they run. */
import * as o from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import type { ConcreteArgs, TraceRoot } from "../../src/fx/tracer.ts";

const { fx, nn } = o;
const F = nn.functional;

class ResidualCnn extends nn.Module {
  conv1 = new nn.Conv2d(3, 4, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(4);
  relu = new nn.ReLU();
  conv2 = new nn.Conv2d(4, 4, 3, { padding: 1 });
  bn2 = new nn.BatchNorm2d(4);
  fc = new nn.Linear(4, 2);

  override forward(x: Tensor): Tensor {
    const a = this.relu(this.bn1(this.conv1(x)));
    const b = this.relu(this.bn2(this.conv2(a)).add(a));
    return this.fc(o.flatten(F.adaptiveAvgPool2d(b, 1), 1));
  }
}

class Functionals extends nn.Module {
  override forward(x: Tensor): Tensor {
    let y = F.maxPool2d(x, 2);
    y = F.avgPool2d(y, 2);
    y = F.hardtanh(y);
    y = F.leakyRelu(y, { negativeSlope: 0.5 });
    y = o.tanh(o.sigmoid(y));
    return F.logSoftmax(F.gelu(y), 1);
  }
}

class CatAdd extends nn.Module {
  override forward(x: Tensor, y: Tensor): Tensor[] {
    const a = x.add(y);
    const b = o.cat([a, x], 1);
    const c = o.stack([a, y]);
    return [b, c, b.add(1), o.mul(2, c)];
  }
}

class ReluClash extends nn.Module {
  relu = new nn.ReLU();

  override forward(x: Tensor): Tensor {
    return this.relu(F.relu(this.relu(x))).add(F.relu(x));
  }
}

class SequentialChildren extends nn.Module {
  seq = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Sequential(new nn.Linear(4, 2), new nn.Tanh()));

  override forward(x: Tensor): Tensor {
    return this.seq(x);
  }
}

class LstmUnpacked extends nn.Module {
  lstm = new nn.LSTM(3, 4);

  override forward(x: Tensor): Tensor[] {
    const [out, [h, c]] = this.lstm(x);
    return [out, h.add(c)];
  }
}

class Attention extends nn.Module {
  q = new nn.Linear(4, 4);
  k = new nn.Linear(4, 4);
  v = new nn.Linear(4, 4);
  mha = new nn.MultiheadAttention(4, 2);

  override forward(x: Tensor): Tensor {
    const [q, k, v] = [this.q(x), this.k(x), this.v(x)];
    const scores = o.matmul(q, k.transpose(-2, -1)).div(2);
    const mixed = F.softmax(scores, -1).matmul(v);
    const [out, _weights] = this.mha(mixed, mixed, mixed);
    return out;
  }
}

class Embedded extends nn.Module {
  emb = new nn.Embedding(10, 4);
  bag = new nn.EmbeddingBag(10, 4);

  override forward(tokens: Tensor, offsets: Tensor): Tensor {
    return this.emb(tokens).mean(0).add(this.bag(tokens, offsets));
  }
}

class SizeView extends nn.Module {
  override forward(x: Tensor): unknown[] {
    const rows = x.view(x.size(0), -1);
    const y = rows.reshape(-1);
    const z = rows.permute(1, 0).contiguous();
    return [y, z.unsqueeze(0), rows.size()];
  }
}

class ShapeUnpack extends nn.Module {
  override forward(x: Tensor): unknown[] {
    const [n, c, h, w] = x.shape;
    const rows = x.view(n, fx.operators.mul(c, h), w);
    return [rows, x.dtype, x.shape.at(-1)];
  }
}

class Inplace extends nn.Module {
  relu = new nn.ReLU({ inplace: true });

  override forward(x: Tensor): Tensor {
    const y = x.mul(2);
    y.relu_();
    y.clamp_({ min: 0, max: 1 });
    return this.relu(y).add_(1);
  }
}

class BuffersAndParameters extends nn.Module {
  weight = new nn.Parameter(o.randn(4, 3));
  bias = new nn.Parameter(o.randn(4));
  declare offset: Tensor;

  constructor() {
    super();
    this.registerBuffer("offset", o.randn(4));
  }

  override forward(x: Tensor): Tensor {
    const y = F.linear(x, this.weight, this.bias).add(this.offset);
    return y.sub(this.offset.mul(this.bias));
  }
}

class ParameterOnly extends nn.Module {
  w = new nn.Parameter(o.randn(3, 3));

  override forward(x: Tensor): Tensor {
    return o.matmul(x, o.relu(this.w));
  }
}

class Constants extends nn.Module {
  override forward(x: Tensor): Tensor[] {
    return [x.add(o.ones(3)), x.mul(o.arange(3))];
  }
}

class Block extends nn.Module {
  lin = new nn.Linear(3, 3);
  act = new nn.Sequential(new nn.ReLU(), new nn.Hardswish());

  override forward(x: Tensor, scale: number): Tensor {
    return this.act(this.lin(x)).mul(scale);
  }
}

class Nested extends nn.Module {
  first = new Block();
  blocks = new nn.ModuleList([new Block(), new Block()]);
  named = new nn.ModuleDict({ last: new Block() });

  override forward(x: Tensor): Tensor {
    let y = this.first(x, 2);
    for (const block of this.blocks) y = (block as Block)(y, 3);
    return (this.named.get("last") as Block)(this.first(y, 4), 5);
  }
}

const clippedSum = fx.wrap((x: Tensor, limit: number) => x.clamp({ max: limit }).sum(), "clippedSum");

class Wrapped extends nn.Module {
  override forward(x: Tensor): Tensor {
    return clippedSum(x, 2).add(clippedSum(x, 3));
  }
}

class Concrete extends nn.Module {
  override forward(x: Tensor, times: number, skip: Tensor | null = null): Tensor {
    let y = x;
    for (let i = 0; i < times; i++) y = y.add(1);
    return skip === null ? y : y.add(skip);
  }
}

class Interpolated extends nn.Module {
  override forward(x: Tensor): Tensor {
    const y = F.interpolate(x, { scaleFactor: 2, mode: "bilinear", alignCorners: false });
    return F.pad(y, [1, 1]);
  }
}

class Defaults extends nn.Module {
  override forward(x: Tensor, y = 3, input: Tensor | null = null, mode = "a"): Tensor {
    void input; // only its name and default matter
    void mode;
    return x.mul(y);
  }
}

class PythonNames extends nn.Module {
  override forward(input: Tensor, len: Tensor): Tensor[] {
    const a = input.sum().add(o.sum(input));
    const b = len.max().sub(o.min(len, input));
    const c = input.abs().pow(2).all().any();
    return [a, b, c, input.float(), o.round(len), input.t()];
  }
}

class Operators extends nn.Module {
  override forward(x: Tensor, y: Tensor): Tensor[] {
    const arithmetic = [x.div(y), x.floorDivide(y), x.remainder(y), x.matmul(y), x.neg(), x.pow(2)];
    const comparisons = [x.eq(y), x.ne(y), x.lt(y), x.le(y), x.gt(y), x.ge(y)];
    const difference = x.sub(y);
    return [...arithmetic, ...comparisons, difference, comparisons[0].bitwiseAnd(comparisons[1])];
  }
}

class Items extends nn.Module {
  override forward(x: Tensor): Tensor[] {
    const parts = x.chunk(2, 1);
    const top = x.topk(2);
    return [x.index(0), x.index(":", 0), x.index("...", null), parts[1], top[0]];
  }
}

class Dictionaries extends nn.Module {
  override forward(x: Tensor): unknown {
    const y = o.relu(x);
    return { out: y, aux: [x, { sum: y.add(x) }] };
  }
}

class SharedModule extends nn.Module {
  lin = new nn.Linear(3, 3);
  alias = this.lin;

  override forward(x: Tensor): Tensor {
    return this.alias(this.lin(x));
  }
}

class NumberedNames extends nn.Module {
  add_1 = new nn.Identity();
  layer1 = new nn.Identity();
  convA = new nn.Identity();

  override forward(x: Tensor): Tensor {
    const y = this.add_1(x.add(1).add(2));
    return this.convA(this.layer1(y.add(3)));
  }
}

class Normalized extends nn.Module {
  norm = new nn.LayerNorm(4);
  drop = new nn.Dropout(0.1);

  override forward(x: Tensor): Tensor {
    const y = this.drop(this.norm(x));
    const z = y.maskedFill(x.gt(0), 0).softmax(-1);
    return o.where(x.gt(0), x, z).mean(-1, { keepdim: true });
  }
}

export interface Network {
  readonly root: () => TraceRoot;
  readonly inputs: () => unknown[];
  readonly concreteArgs?: ConcreteArgs;
}

function network(root: new () => o.nn.Module, ...shapes: readonly (readonly number[])[]): Network {
  return { root: () => new root().eval(), inputs: () => shapes.map((shape) => o.randn(shape)) };
}

const indices = (...values: number[]): Tensor => o.tensor(values, { dtype: o.int64 });

export const networks: Readonly<Record<string, Network>> = {
  ResidualCnn: network(ResidualCnn, [2, 3, 6, 6]),
  Functionals: network(Functionals, [2, 3, 8, 8]),
  CatAdd: network(CatAdd, [2, 3], [2, 3]),
  ReluClash: network(ReluClash, [2, 3]),
  SequentialChildren: network(SequentialChildren, [2, 3]),
  PlainSequential: {
    root: () => new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Dropout(0.5)).eval(),
    inputs: () => [o.randn(2, 3)],
  },
  LstmUnpacked: network(LstmUnpacked, [5, 2, 3]),
  Attention: network(Attention, [3, 2, 4]),
  Embedded: { root: () => new Embedded(), inputs: () => [indices(1, 2, 3, 4), indices(0, 2)] },
  SizeView: network(SizeView, [2, 3, 4]),
  ShapeUnpack: network(ShapeUnpack, [2, 3, 4, 5]),
  Inplace: network(Inplace, [2, 3]),
  BuffersAndParameters: network(BuffersAndParameters, [2, 3]),
  ParameterOnly: network(ParameterOnly, [2, 3]),
  Constants: network(Constants, [2, 3]),
  Nested: network(Nested, [2, 3]),
  Wrapped: network(Wrapped, [2, 3]),
  Concrete: {
    root: () => new Concrete(),
    inputs: () => [o.randn(2, 3), 2],
    concreteArgs: { times: 2, skip: null },
  },
  Interpolated: network(Interpolated, [1, 2, 3, 3]),
  Defaults: network(Defaults, [2, 3]),
  PythonNames: network(PythonNames, [3, 3], [3, 3]),
  Operators: network(Operators, [3, 3], [3, 3]),
  Items: network(Items, [4, 4]),
  Dictionaries: network(Dictionaries, [2, 3]),
  SharedModule: network(SharedModule, [2, 3]),
  NumberedNames: network(NumberedNames, [2, 3]),
  Normalized: network(Normalized, [2, 4]),
  FreeFunction: {
    root: () => (x: Tensor, factor: Tensor | number) => o.mul(x, factor).sigmoid(),
    inputs: () => [o.randn(2, 3), 3],
  },
};
