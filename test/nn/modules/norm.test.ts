/** Normalization layers: running statistics, state dicts, and what is refused. Values: test/ops/golden.test.ts. */
import { describe, expect, it } from "vitest";
import * as nn from "../../../src/nn/index.ts";
import { full, ones, randn, stack, zeros } from "../../../src/ops/index.ts";

describe("BatchNorm with momentum null", () => {
  it("averages the statistics of all batches alike", () => {
    const layer = new nn.BatchNorm1d(3, { momentum: null });
    const batches = [randn(4, 3), randn(4, 3), randn(4, 3)];
    for (const batch of batches) layer(batch);
    const means = stack(batches.map((batch) => batch.mean(0))).mean(0);
    const variances = stack(batches.map((batch) => batch.var(0))).mean(0);
    expect(layer.running_mean?.allclose(means, { atol: 1e-6 })).toBe(true);
    expect(layer.running_var?.allclose(variances, { atol: 1e-6 })).toBe(true);
    expect(layer.num_batches_tracked?.item()).toBe(3);
  });
});

describe("the state of BatchNorm", () => {
  const key = "num_batches_tracked";

  it("has version 2", () => {
    const state = new nn.BatchNorm2d(2).stateDict();
    expect(state.metadata.get("")).toEqual({ version: 2 });
    expect([...state.keys()]).toEqual(["weight", "bias", "running_mean", "running_var", key]);
  });

  it("loads from version 1, or from a plain object, without the number of batches", () => {
    const layer = new nn.BatchNorm2d(2);
    layer(randn(2, 2, 3, 3));
    const { [key]: _dropped, ...rest } = Object.fromEntries(new nn.BatchNorm2d(2).stateDict());
    layer.loadStateDict(rest);
    expect(layer.running_mean?.tolist()).toEqual([0, 0]);
    expect(layer.num_batches_tracked?.item()).toBe(1);
  });

  it("misses it in version 2", () => {
    const state = new nn.BatchNorm2d(2).stateDict();
    state.delete(key);
    expect(() => new nn.BatchNorm2d(2).loadStateDict(state)).toThrow(`Missing key(s) in state_dict: "${key}"`);
  });

  it("misses other keys in version 1", () => {
    expect(() =>
      new nn.BatchNorm2d(2).loadStateDict({ weight: ones(2), bias: ones(2), running_mean: ones(2) }),
    ).toThrow('Missing key(s) in state_dict: "running_var"');
  });

  it("is copied deeply", () => {
    const layer = new nn.BatchNorm1d(2);
    const copy = layer.deepCopy();
    copy(randn(3, 2));
    expect([layer, copy].map((l) => l.num_batches_tracked?.item())).toEqual([0, 1]);
    expect(layer.running_mean?.tolist()).toEqual([0, 0]);
  });

  it("starts anew with resetRunningStats", () => {
    const layer = new nn.BatchNorm1d(2);
    layer(full([3, 2], 5));
    layer.resetRunningStats();
    expect(layer).toEqual(new nn.BatchNorm1d(2));
  });
});

describe("refused inputs", () => {
  it.each<[string, () => unknown]>([
    ["BatchNorm1d: expected 2D or 3D input, got shape [2, 3, 4, 5]", () => new nn.BatchNorm1d(3)(zeros(2, 3, 4, 5))],
    ["BatchNorm2d: expected 4D input, got shape [2, 3]", () => new nn.BatchNorm2d(3)(zeros(2, 3))],
    ["BatchNorm3d: expected 5D input, got shape [2, 3]", () => new nn.BatchNorm3d(3)(zeros(2, 3))],
    ["batchNorm: runningMean must have shape [4], got [3]", () => new nn.BatchNorm1d(3)(zeros(2, 4))],
    ["BatchNorm1d: numFeatures must be a whole number of at least 0, got -1", () => new nn.BatchNorm1d(-1)],
    ["InstanceNorm2d: expected 3D or 4D input, got shape [2, 3]", () => new nn.InstanceNorm2d(3)(zeros(2, 3))],
    [
      "InstanceNorm1d: expected 3 channels, input has 4",
      () => new nn.InstanceNorm1d(3, { affine: true })(zeros(2, 4, 5)),
    ],
    ["GroupNorm: numChannels 5 must be divisible by numGroups 2", () => new nn.GroupNorm(2, 5)],
  ])("%s", (message, call) => {
    expect(call).toThrow(message);
  });
});
