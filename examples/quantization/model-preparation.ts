/**
 * What eager mode needs of a model: modules in the place of functions whose results are quantized anew, FloatFunctional for sums and
 * concatenations, stubs at the borders, and a qconfig for each part.
 */
import type { Tensor } from "octet";
import { cat, nn, noGrad, quantization as q, randn } from "octet";
import { runDirectly } from "./run.ts";

const { functional: F } = nn;

/** As one writes it for floats. */
class FloatBlock extends nn.Module {
  conv1 = new nn.Conv2d(2, 2, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(2);
  conv2 = new nn.Conv2d(2, 2, 1);
  linear1 = new nn.Linear(4, 4);

  override forward(x: Tensor): Tensor {
    let y = F.relu(this.bn1(this.conv1(x)));
    y = cat([y.add(x), this.conv2(y)], 1);
    return this.linear1(y.mean([2, 3]));
  }
}

/** The same network, prepared. Its state dict has the same keys. */
class PreparedBlock extends nn.Module {
  quant = new q.QuantStub();
  conv1 = new nn.Conv2d(2, 2, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(2);
  relu1 = new nn.ReLU();
  // One for each use: each result has a grid of its own.
  skip = new nn.quantized.FloatFunctional();
  join = new nn.quantized.FloatFunctional();
  conv2 = new nn.Conv2d(2, 2, 1);
  linear1 = new nn.Linear(4, 4);
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    const x = this.quant(input);
    let y = this.relu1(this.bn1(this.conv1(x)));
    y = this.join.cat([this.skip.add(y, x), this.conv2(y)], 1);
    return this.linear1(this.dequant(y).mean([2, 3]));
  }
}

export function main() {
  const float = new FloatBlock().eval();
  const prepared = new PreparedBlock().eval();
  prepared.loadStateDict(float.stateDict());

  prepared.qconfig = q.getDefaultQconfig("x86");
  // Settings of its own for one layer, and none for another, which stays float.
  prepared.conv2.qconfig = new q.QConfig(q.MinMaxObserver.withArgs({ reduceRange: true }), q.defaultWeightObserver);
  prepared.linear1.qconfig = null;

  const x = randn([8, 2, 6, 6]);
  // Tells what would go wrong in the quantized model, before anything is quantized.
  float.qconfig = prepared.qconfig;
  const problems = { float: q.checkStubs(float, x), prepared: q.checkStubs(prepared, x) };

  const fused = q.fuseModules(prepared, ["conv1", "bn1", "relu1"]);
  const observed = q.prepare(fused);
  noGrad(() => observed(x));
  const int8 = q.convert(observed);
  return { problems, int8, res: noGrad(() => int8(x)), float: noGrad(() => float(x)) };
}

runDirectly(import.meta.url, main);
