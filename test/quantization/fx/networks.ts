/** The networks of tools/golden/fx_flows.py, written alike: same attribute names, same order of operators. */
import * as octet from "../../../src/index.ts";
import type { Tensor } from "../../../src/index.ts";
import { nn, quantization as q } from "../../../src/index.ts";

const F = nn.functional;

class ConvBnRelu extends nn.Module {
  conv: nn.Module;
  bn: nn.Module;
  relu = new nn.ReLU();
  conv2: nn.Module;

  constructor(rank: 1 | 2 | 3) {
    super();
    const Conv = [nn.Conv1d, nn.Conv2d, nn.Conv3d][rank - 1] as typeof nn.Conv2d;
    const BatchNorm = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d][rank - 1];
    this.conv = new Conv(3, 6, 3, { padding: 1 });
    this.bn = new BatchNorm(6);
    this.conv2 = new Conv(6, 4, 3, { stride: 2, groups: 2 });
  }

  override forward(x: Tensor): Tensor {
    return this.conv2(this.relu(this.bn(this.conv(x)))) as Tensor;
  }
}

class Residual extends nn.Module {
  conv1: nn.Conv2d;
  bn1 = new nn.BatchNorm2d(8);
  conv2 = new nn.Conv2d(8, 8, 3, { padding: 1, bias: false });
  bn2 = new nn.BatchNorm2d(8);
  down = new nn.Sequential(new nn.Conv2d(8, 8, 1), new nn.BatchNorm2d(8));
  pool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc = new nn.Linear(8, 5);

  constructor(inChannels = 3) {
    super();
    this.conv1 = new nn.Conv2d(inChannels, 8, 3, { padding: 1, bias: false });
  }

  override forward(x: Tensor): Tensor {
    x = F.relu(this.bn1(this.conv1(x)));
    let y = this.bn2(this.conv2(x));
    y = F.relu(y.add(this.down(x) as Tensor));
    y = octet.flatten(this.pool(y), 1);
    return this.fc(y);
  }
}

class Depthwise extends nn.Module {
  features = new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { stride: 2, padding: 1, bias: false }),
    new nn.BatchNorm2d(8),
    new nn.ReLU6(),
    new nn.Conv2d(8, 8, 3, { padding: 1, groups: 8, bias: false }),
    new nn.BatchNorm2d(8),
    new nn.ReLU6(),
    new nn.Conv2d(8, 12, 1, { bias: false }),
    new nn.BatchNorm2d(12),
    new nn.Hardswish(),
  );
  classifier = new nn.Sequential(new nn.Dropout(0.2), new nn.Linear(12, 5));

  override forward(x: Tensor): Tensor {
    x = this.features(x) as Tensor;
    return this.classifier(x.mean([2, 3])) as Tensor;
  }
}

class Functional extends nn.Module {
  w1 = new nn.Parameter(octet.zeros([6, 3, 3, 3]));
  b1 = new nn.Parameter(octet.zeros([6]));
  w2 = new nn.Parameter(octet.zeros([5, 6]));
  b2 = new nn.Parameter(octet.zeros([5]));

  override forward(x: Tensor): Tensor {
    x = F.relu(F.conv2d(x, this.w1, this.b1, { stride: 1, padding: 1 }));
    x = F.maxPool2d(x, 2);
    x = F.adaptiveAvgPool2d(x, 1);
    x = x.view(-1, 6);
    return F.linear(x, this.w2, this.b2);
  }
}

class CatAdd extends nn.Module {
  a = new nn.Conv2d(3, 4, 1);
  b = new nn.Conv2d(3, 4, 1);
  c = new nn.Conv2d(8, 8, 1);

  override forward(x: Tensor): Tensor {
    const [a, b] = [this.a(x), this.b(x)];
    const joined = octet.cat([a, b], 1);
    let y = this.c(joined);
    y = y.add(joined);
    y = y.mul(0.5);
    y = y.add(1.5);
    return y.mul(joined);
  }
}

class AddRelu extends nn.Module {
  a = new nn.Conv2d(3, 4, 1);
  b = new nn.Conv2d(3, 4, 1);
  relu = new nn.ReLU();

  override forward(x: Tensor): Tensor {
    const [a, b] = [this.a(x), this.b(x)];
    const y = this.relu(a.add(b));
    const z = F.relu(a.mul(b)).add(y);
    return octet.matmul(z, y.transpose(2, 3));
  }
}

class Lstm extends nn.Module {
  lstm = new nn.LSTM(6, 8);
  fc = new nn.Linear(8, 4);

  override forward(x: Tensor, h: Tensor, c: Tensor): Tensor {
    const [out, [_hn, _cn]] = this.lstm(x, [h, c]);
    return this.fc(out as Tensor);
  }
}

class DynamicLstm extends nn.Module {
  lstm = new nn.LSTM(6, 8, { batchFirst: true });
  fc = new nn.Linear(8, 4);

  override forward(x: Tensor): Tensor {
    const [out, _states] = this.lstm(x);
    return F.relu(this.fc(out as Tensor));
  }
}

class Attention extends nn.Module {
  q = new nn.Linear(8, 8);
  k = new nn.Linear(8, 8);
  v = new nn.Linear(8, 8);
  out = new nn.Linear(8, 8);
  softmax = new nn.Softmax(-1);
  norm = new nn.LayerNorm(8);

  override forward(x: Tensor): Tensor {
    const [query, key, value] = [this.q(x), this.k(x), this.v(x)];
    const scores = octet.matmul(query, key.transpose(1, 2)).mul(0.35);
    const y = octet.matmul(this.softmax(scores), value);
    return this.norm(x.add(this.out(y)));
  }
}

class Embedded extends nn.Module {
  emb = new nn.Embedding(20, 8);
  fc = new nn.Linear(8, 4);

  override forward(x: Tensor): Tensor {
    return this.fc(this.emb(x));
  }
}

class Bag extends nn.Module {
  emb = new nn.EmbeddingBag(20, 8, { mode: "sum", includeLastOffset: true });
  fc = new nn.Linear(8, 4);

  override forward(x: Tensor, offsets: Tensor): Tensor {
    return this.fc(this.emb(x, offsets));
  }
}

class Partial extends nn.Module {
  conv1 = new nn.Conv2d(3, 4, 3);
  conv2 = new nn.Conv2d(4, 4, 3);
  block = new Residual(4);
  head = new nn.Linear(5, 3);
  tail = new nn.Linear(3, 2);

  override forward(x: Tensor): Tensor {
    x = this.block(this.conv2(F.relu(this.conv1(x))));
    return this.tail(F.relu(this.head(x)));
  }
}

class Shapes extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { padding: 1 });
  fc = new nn.Linear(64, 6);

  override forward(x: Tensor): Tensor {
    x = this.conv(x);
    x = x.permute(0, 2, 3, 1).contiguous();
    x = x.reshape(x.size(0), -1, 16);
    x = x.unsqueeze(1).squeeze(1).transpose(1, 2);
    x = x.reshape(x.shape[0], -1, 64);
    return this.fc(x);
  }
}

class Fixed extends nn.Module {
  fc = new nn.Linear(6, 6);
  fc2 = new nn.Linear(6, 6);
  sigmoid = new nn.Sigmoid();
  hs = new nn.Hardsigmoid();

  override forward(x: Tensor): Tensor {
    const a = this.sigmoid(this.fc(x));
    const b = octet.tanh(this.fc2(a));
    return this.hs(b).mul(octet.sigmoid(b));
  }
}

class Norms extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { padding: 1 });
  bn = new nn.BatchNorm2d(3);
  bn2 = new nn.BatchNorm2d(3);
  relu = new nn.ReLU();
  inorm = new nn.InstanceNorm2d(4, { affine: true });
  ln = new nn.LayerNorm([8]);

  override forward(x: Tensor): Tensor {
    x = this.bn2(this.relu(this.bn(x)));
    return this.ln(this.inorm(this.conv(x)));
  }
}

class Activations extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { padding: 1 });
  elu = new nn.ELU();
  leaky = new nn.LeakyReLU(0.1);
  hardtanh = new nn.Hardtanh();
  gelu = new nn.GELU();
  conv2 = new nn.Conv2d(4, 4, 1);

  override forward(x: Tensor): Tensor {
    x = this.leaky(this.elu(this.conv(x)));
    x = F.hardswish(x);
    x = F.leakyRelu(x, { negativeSlope: 0.2 });
    x = this.hardtanh(x);
    x = this.conv2(this.gelu(x));
    return octet.clamp(x, { min: -0.5, max: 0.8 });
  }
}

class Pools extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { padding: 1 });
  avg = new nn.AvgPool2d(2);
  maxp = new nn.MaxPool2d(3, { stride: 1, padding: 1 });
  up = new nn.Upsample({ scaleFactor: 2, mode: "nearest" });
  ps = new nn.PixelShuffle(2);

  override forward(x: Tensor): Tensor {
    x = this.maxp(this.avg(this.conv(x))) as Tensor;
    x = F.interpolate(x, { scaleFactor: 2, mode: "nearest" });
    return this.ps(x);
  }
}

class Inner extends nn.Module {
  conv = new nn.Conv2d(4, 4, 1);

  override forward(x: Tensor): Tensor {
    return F.relu(this.conv(x));
  }
}

class Nested extends nn.Module {
  stem = new nn.Conv2d(3, 4, 1);
  blocks = new nn.Sequential(new Inner(), new Inner());
  head = new nn.Conv2d(4, 4, 1);

  override forward(x: Tensor): Tensor {
    return this.head(this.blocks(this.stem(x)) as Tensor);
  }
}

class Shared extends nn.Module {
  conv = new nn.Conv2d(3, 3, 1);

  override forward(x: Tensor): Tensor {
    return this.conv(this.conv(x));
  }
}

class Outputs extends nn.Module {
  a = new nn.Linear(6, 4);
  b = new nn.Linear(6, 4);

  override forward(x: Tensor, y: Tensor) {
    const a = this.a(x);
    const b = this.b(y);
    return { sum: a.add(b), parts: [a, b], input: x };
  }
}

class Transposed extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { stride: 2 });
  up = new nn.ConvTranspose2d(4, 3, 3, { stride: 2 });
  bn = new nn.BatchNorm2d(3);

  override forward(x: Tensor): Tensor {
    return this.bn(this.up(this.conv(x)));
  }
}

class LinearBn extends nn.Module {
  fc1 = new nn.Linear(6, 8);
  bn = new nn.BatchNorm1d(8);
  fc2 = new nn.Linear(8, 8);
  relu = new nn.ReLU();
  fc3 = new nn.Linear(8, 3);

  override forward(x: Tensor): Tensor {
    x = this.bn(this.fc1(x));
    return this.fc3(this.relu(this.fc2(x)));
  }
}

class DynamicLinear extends nn.Module {
  fc1 = new nn.Linear(6, 8);
  w = new nn.Parameter(octet.zeros([5, 8]));
  b = new nn.Parameter(octet.zeros([5]));

  override forward(x: Tensor): Tensor {
    x = F.relu(this.fc1(x));
    return F.relu(F.linear(x, this.w, this.b));
  }
}

class Cells extends nn.Module {
  lstm = new nn.LSTMCell(6, 8);
  gru = new nn.GRUCell(8, 8);

  override forward(x: Tensor, h: Tensor, c: Tensor): Tensor {
    const [hidden, cell] = this.lstm(x, [h, c]);
    return this.gru(hidden, cell);
  }
}

class FloatFunctional extends nn.Module {
  ff = new nn.quantized.FloatFunctional();
  conv = new nn.Conv2d(3, 4, 1);

  override forward(x: Tensor): Tensor {
    x = this.conv(x);
    const y = this.ff.addRelu(x, x);
    return this.ff.cat([x, y], 1);
  }
}

export class Custom extends nn.Module {
  linear = new nn.Linear(6, 6);

  override forward(x: Tensor): Tensor {
    return this.linear(x);
  }
}

class ObservedCustom extends nn.Module {
  linear: nn.Linear;

  constructor(linear: nn.Linear) {
    super();
    this.linear = linear;
  }

  override forward(x: Tensor): Tensor {
    return this.linear(x);
  }

  static fromFloat(module: nn.Module): ObservedCustom {
    const made = new ObservedCustom((module as Custom).linear);
    made.qconfig = module.qconfig;
    return made;
  }
}

class QuantizedCustom extends nn.Module {
  linear: nn.quantized.Linear;

  constructor(linear: nn.quantized.Linear) {
    super();
    this.linear = linear;
  }

  override forward(x: Tensor): Tensor {
    return this.linear(x);
  }

  static fromObserved(module: nn.Module): QuantizedCustom {
    const { linear, qconfig } = module as ObservedCustom;
    linear.qconfig = qconfig;
    linear.setChild(
      "activation_post_process",
      (module as unknown as Record<string, nn.Module>).activation_post_process,
    );
    return new QuantizedCustom(nn.quantized.Linear.fromFloat(linear));
  }
}

class WithCustom extends nn.Module {
  fc = new nn.Linear(6, 6);
  custom = new Custom();
  fc2 = new nn.Linear(6, 3);

  override forward(x: Tensor): Tensor {
    return this.fc2(this.custom(this.fc(x)));
  }
}

class Mixed extends nn.Module {
  emb = new nn.Embedding(20, 6);
  static = new nn.Linear(6, 8);
  dynamic = new nn.Linear(8, 8);
  last = new nn.Linear(8, 4);

  override forward(x: Tensor): Tensor {
    return this.last(this.dynamic(this.static(this.emb(x))));
  }
}

type Backend = "x86" | "qnnpack";

export interface NetworkCase {
  readonly make: () => nn.Module;
  /** Default: the backend's default mapping. */
  readonly mapping?: (backend: Backend) => q.QConfigMapping;
  readonly prepare?: () => q.PrepareCustomConfig;
  readonly convert?: () => q.ConvertCustomConfig;
  readonly qat?: boolean;
}

const dynamic = () => new q.QConfigMapping().setGlobal(q.defaultDynamicQconfig);

function mixed(backend: Backend): q.QConfigMapping {
  return q
    .getDefaultQconfigMapping(backend)
    .setModuleName("emb", q.floatQparamsWeightOnlyQconfig)
    .setModuleName("dynamic", q.defaultDynamicQconfig)
    .setModuleName("last", null);
}

function partial(backend: Backend): q.QConfigMapping {
  return q
    .getDefaultQconfigMapping(backend)
    .setObjectType(nn.Linear, null)
    .setModuleNameRegex("hea.*", q.getDefaultQconfig(backend))
    .setModuleName("block.conv2", null)
    .setModuleNameObjectTypeOrder("block", F.relu, 1, null);
}

const config = () => new q.PrepareCustomConfig();

export const networks: Readonly<Record<string, NetworkCase>> = {
  "conv-bn-relu-1d": { make: () => new ConvBnRelu(1) },
  "conv-bn-relu-2d": { make: () => new ConvBnRelu(2) },
  "conv-bn-relu-3d": { make: () => new ConvBnRelu(3) },
  residual: { make: () => new Residual() },
  depthwise: { make: () => new Depthwise() },
  functional: { make: () => new Functional() },
  "cat-add": { make: () => new CatAdd() },
  "add-relu": { make: () => new AddRelu() },
  "lstm-custom": {
    make: () => new Lstm(),
    prepare: () => config().setFloatToObservedMapping(nn.LSTM, nn.quantizable.LSTM),
    convert: () => new q.ConvertCustomConfig().setObservedToQuantizedMapping(nn.quantizable.LSTM, nn.quantized.LSTM),
  },
  "lstm-dynamic": { make: () => new DynamicLstm(), mapping: dynamic },
  attention: { make: () => new Attention() },
  embedding: { make: () => new Embedded(), mapping: mixed },
  "embedding-bag": { make: () => new Bag(), mapping: mixed },
  partial: { make: () => new Partial(), mapping: partial },
  "null-global": {
    make: () => new Shapes(),
    mapping: (backend) => {
      const qconfig = q.getDefaultQconfig(backend);
      return new q.QConfigMapping().setObjectType(nn.Conv2d, qconfig).setObjectType("reshape", qconfig);
    },
  },
  shapes: { make: () => new Shapes() },
  "fixed-qparams": { make: () => new Fixed() },
  norms: { make: () => new Norms() },
  activations: { make: () => new Activations() },
  pools: { make: () => new Pools() },
  nested: { make: () => new Nested() },
  "shared-module": { make: () => new Shared() },
  "standalone-float": {
    make: () => new Nested(),
    prepare: () => config().setStandaloneModuleName("blocks.0", null, [], null, null),
  },
  "standalone-quantized": {
    make: () => new Nested(),
    prepare: () => {
      const inside = config().setInputQuantizedIndexes([0]).setOutputQuantizedIndexes([0]);
      return config().setStandaloneModuleClass(Inner, null, [], inside, null);
    },
  },
  "non-traceable": { make: () => new Nested(), prepare: () => config().setNonTraceableModuleClasses([Inner]) },
  "quantized-output": { make: () => new LinearBn(), prepare: () => config().setOutputQuantizedIndexes([0]) },
  outputs: { make: () => new Outputs() },
  transposed: { make: () => new Transposed(), mapping: () => new q.QConfigMapping().setGlobal(q.defaultQconfig) },
  "linear-bn": { make: () => new LinearBn() },
  "dynamic-linear": { make: () => new DynamicLinear(), mapping: dynamic },
  "float16-dynamic": {
    make: () => new DynamicLinear(),
    mapping: () => new q.QConfigMapping().setGlobal(q.float16DynamicQconfig),
  },
  "cells-dynamic": { make: () => new Cells(), mapping: dynamic },
  "float-functional": { make: () => new FloatFunctional() },
  "custom-module": {
    make: () => new WithCustom(),
    prepare: () => config().setFloatToObservedMapping(Custom, ObservedCustom),
    convert: () => new q.ConvertCustomConfig().setObservedToQuantizedMapping(ObservedCustom, QuantizedCustom),
  },
  mixed: { make: () => new Mixed(), mapping: mixed },
  "qat-residual": { make: () => new Residual(), mapping: q.getDefaultQatQconfigMapping, qat: true },
  "qat-conv-bn-relu": { make: () => new ConvBnRelu(2), mapping: q.getDefaultQatQconfigMapping, qat: true },
  "qat-linear-bn": { make: () => new LinearBn(), mapping: q.getDefaultQatQconfigMapping, qat: true },
};
