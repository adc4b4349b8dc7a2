/** Weights that PyTorch saved, in models written with Octet's modules, give PyTorch's outputs. */
import { describe, expect, it } from "vitest";
import { nn, noGrad } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { readCheckpoint, stateDictFrom } from "../../src/io/checkpoint.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { golden } from "./hostile.ts";

class Cnn extends nn.Module {
  conv1 = new nn.Conv2d(3, 8, 3, { stride: 2, padding: 1 });
  bn = new nn.BatchNorm2d(8);
  conv2 = new nn.Conv2d(8, 8, 3, { padding: 1, groups: 2, bias: false });
  fc = new nn.Linear(8 * 4 * 4, 5);

  override forward(x: Tensor): Tensor[] {
    return [this.fc(this.conv2(this.bn(this.conv1(x)).relu()).flatten(1))];
  }
}

class Lstm extends nn.Module {
  lstm = new nn.LSTM(6, 7, { numLayers: 2, bidirectional: true, batchFirst: true });
  fc = new nn.Linear(14, 4);

  override forward(x: Tensor): Tensor[] {
    const [out, [h, c]] = this.lstm(x);
    return [this.fc(out), h, c];
  }
}

const expected = readSafetensors(golden("expected.safetensors")).tensors;

describe.each([
  ["cnn", () => new Cnn(), 1],
  ["lstm", () => new Lstm(), 3],
] as const)("%s", (name, make, outputs) => {
  it.each(["", "-legacy"])("gives PyTorch's outputs with the weights of its checkpoint%s", (format) => {
    const model = make();
    model.loadStateDict(stateDictFrom(readCheckpoint(golden(`${name}${format}.pt`))));
    model.eval();
    const results = noGrad(() => model(expected.get(`${name}/input`)!));
    expect(results).toHaveLength(outputs);
    results.forEach((result, i) => {
      const wanted = expected.get(`${name}/output/${i}`)!;
      expect(result.shape).toEqual(wanted.shape);
      const values = wanted.elements();
      result.elements().forEach((value, at) => expect(Math.abs(value - values[at])).toBeLessThanOrEqual(1e-5));
    });
  });
});
