/** Batch normalizations inside layers that train with fake quantization. */
import { describe, expect, it } from "vitest";
import { nn, noGrad, quantization as q, randn } from "../../src/index.ts";

const layers = {
  ConvBn2d: () => new nn.Sequential(new nn.Conv2d(2, 3, 1), new nn.BatchNorm2d(3)),
  ConvBnReLU1d: () => new nn.Sequential(new nn.Conv1d(2, 3, 1), new nn.BatchNorm1d(3), new nn.ReLU()),
  LinearBn1d: () => new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3)),
};
const inputs = { ConvBn2d: [4, 2, 3, 3], ConvBnReLU1d: [4, 2, 5], LinearBn1d: [8, 2] };

describe.each(Object.keys(layers) as (keyof typeof layers)[])("%s", (name) => {
  const model = layers[name]();
  const names = [...model.namedChildren()].map(([child]) => child);
  const fused = q.fuseModulesQat(model, names);
  fused.qconfig = q.getDefaultQatQconfig("qnnpack");
  const prepared = q.prepareQat(fused.train());
  const { bn } = prepared.get(0) as nn.Module & { bn: nn.BatchNorm1d };
  const step = () => noGrad(() => prepared(randn(inputs[name])));
  const mean = () => bn.running_mean?.tolist();

  it("updates its statistics in training", () => {
    const before = mean();
    step();
    expect(mean()).not.toEqual(before);
  });

  it("keeps them once they are frozen, in training too", () => {
    prepared.apply(nn.intrinsic.qat.freezeBnStats);
    prepared.train();
    expect([prepared.get(0).training, bn.training]).toEqual([true, false]);
    const before = mean();
    step();
    expect(mean()).toEqual(before);
  });

  it("updates them again", () => {
    prepared.apply(nn.intrinsic.qat.updateBnStats);
    const before = mean();
    step();
    expect(mean()).not.toEqual(before);
    expect(prepared.eval() && bn.training).toBe(false);
  });
});
