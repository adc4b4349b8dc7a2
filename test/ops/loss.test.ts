/** What golden data cannot hold about losses: errors, and losses in training. */
import { describe, expect, it } from "vitest";
import { nn, ones, tensor, zeros } from "../../src/index.ts";

const F = nn.functional;
const scores = zeros(2, 3);

describe("errors", () => {
  it.each([
    ["a class that does not exist", () => F.nllLoss(scores, tensor([0, 3]).long()), "nllLoss: target 3 is out of bounds"],
    ["a negative class", () => F.crossEntropy(scores, tensor([0, -1]).long()), "nllLoss: target -1 is out of bounds"],
    ["a shape", () => F.crossEntropy(scores, tensor([0]).long()), "nllLoss: expected target of shape [2] for input of shape [2, 3], got [1]"],
    ["float classes", () => F.nllLoss(scores, zeros(2)), "expected class indices, got a float32 target; convert it with .long()"],
    ["a scalar input", () => F.nllLoss(tensor(1), tensor(0)), "nllLoss: input tensor should be 1D or more"],
    ["weights", () => F.crossEntropy(scores, tensor([0, 1]).long(), { weight: ones(2) }), "for all 3 classes or no classes, got shape [2]"],
    ["smoothing", () => F.crossEntropy(scores, tensor([0, 1]).long(), { labelSmoothing: 2 }), "labelSmoothing must be between 0.0 and 1.0. Got: 2"],
    ["a probability above 1", () => F.binaryCrossEntropy(tensor([1.5]), zeros(1)), "elements of input should be between 0 and 1"],
    ["a probability that is NaN", () => F.binaryCrossEntropy(tensor([NaN]), zeros(1)), "should be between 0 and 1"],
    ["shapes of yes and no", () => F.binaryCrossEntropy(ones(2), ones(3)), "target of shape [3] must have the shape of the input, [2]"],
    ["beta", () => F.smoothL1Loss(ones(1), ones(1), { beta: -1 }), "smoothL1Loss: does not support negative values for beta, got -1"],
    ["delta", () => F.huberLoss(ones(1), ones(1), { delta: 0 }), "huberLoss: does not support non-positive values for delta"],
    ["a variance", () => F.gaussianNllLoss(ones(2), ones(2), tensor([1, -1])), "gaussianNllLoss: var has negative"],
    ["a variance's shape", () => F.gaussianNllLoss(ones(2, 3), ones(2, 3), ones(3)), "var is of incorrect size [3] for input of shape [2, 3]"],
    ["vectors and targets", () => F.cosineEmbeddingLoss(ones(2, 3), ones(2, 3), tensor(1)), "0D target tensor expects 1D input tensors"],
    ["a margin", () => F.tripletMarginLoss(ones(2), ones(2), ones(2), { margin: 0 }), "margin must be greater than 0, got 0"],
    ["a power", () => F.multiMarginLoss(scores, tensor([0, 1]).long(), { p: 3 }), "multiMarginLoss: only p == 1 and p == 2 supported, got 3"],
    ["a reduction", () => F.mseLoss(ones(1), ones(1), { reduction: "max" as "sum" }), "mseLoss: max is not a valid value for reduction"],
    ["shapes that do not broadcast", () => F.mseLoss(ones(2), ones(3)), "sub: shapes [2] and [3] do not broadcast"],
  ])("name %s", (_what, call, message) => expect(call).toThrow(message)); // prettier-ignore
});

describe("loss modules", () => {
  it("save their weights under PyTorch's keys", () => {
    const loss = new nn.BCEWithLogitsLoss({ weight: ones(2), posWeight: ones(2) });
    expect([...loss.stateDict().keys()]).toEqual(["weight", "pos_weight"]);
    expect([...new nn.CrossEntropyLoss().stateDict().keys()]).toEqual([]);
    expect([...loss.parameters()]).toEqual([]);
    expect(loss.double().pos_weight?.dtype.name).toBe("float64");
  });

  it("train a classifier", () => {
    const x = tensor([[1, 0], [0, 1], [1, 1]]); // prettier-ignore
    const target = tensor([0, 1, 2]).long();
    const net = new nn.Linear(2, 3);
    const criterion = new nn.CrossEntropyLoss();
    const first = criterion(net(x), target).item();
    for (let step = 0; step < 200; step++) {
      net.zeroGrad();
      criterion(net(x), target).backward();
      for (const parameter of net.parameters()) if (parameter.grad) parameter.data.sub_(parameter.grad, { alpha: 1 });
    }
    expect(criterion(net(x), target).item()).toBeLessThan(Math.min(first, 0.3));
    expect(net(x).argmax(1).tolist()).toEqual([0, 1, 2]);
  });
});
