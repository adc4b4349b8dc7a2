/** Arithmetic, comparisons and activations of ONNX against ONNX Runtime. */
import { describe } from "vitest";
import { float64, int32, int8 } from "../../../src/core/dtype.ts";
import { checkOp, floats, positives, reals, truths, whole } from "../oracle.ts";

describe("functions of one tensor", () => {
  const everywhere = [
    "Abs",
    "Atan",
    "Ceil",
    "Cos",
    "Cosh",
    "Erf",
    "Exp",
    "Floor",
    "HardSwish",
    "Neg",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Tan",
    "Tanh",
    "Asinh",
    "Identity",
  ];
  for (const op of everywhere) checkOp(op, { inputs: [reals(3, 5)] });
  for (const op of ["Log", "Sqrt", "Reciprocal"]) checkOp(op, { inputs: [positives(3, 5)] });
  for (const op of ["Acos", "Asin", "Atanh"]) checkOp(op, { inputs: [floats([-0.9, -0.1, 0, 0.3, 0.8])] });
  checkOp("Acosh", { inputs: [floats([1, 1.5, 3, 10])] });
  checkOp("Round", { inputs: [floats([0.5, 1.5, 2.5, -0.5, -1.5])] });
  checkOp("Mish", { inputs: [reals(7)], opset: 18 });
  checkOp("Not", { inputs: [truths(1, 0, 1)] });
  checkOp("IsNaN", { inputs: [floats([1, NaN, Infinity])] });
  checkOp(
    "IsInf",
    { inputs: [floats([1, NaN, Infinity, -Infinity])] },
    { inputs: [floats([1, Infinity, -Infinity])], attributes: { detect_negative: 0 } },
  );
});

describe("functions of two tensors", () => {
  for (const op of ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "Mean"]) {
    checkOp(
      op,
      { inputs: [positives(2, 3, 4), positives(3, 1)] },
      { inputs: [positives(2, 3), floats([2])], constants: [1] },
      { inputs: [floats([2], [1, 1]), positives(2, 3)], constants: [0] },
    );
  }
  for (const op of ["Add", "Sub", "Mul", "Div"]) {
    checkOp(
      op,
      { inputs: [whole([7, -7, 9, 2]), whole([2, 2, -4, 3])] },
      { inputs: [whole([7, -7]), whole([2])], constants: [1] },
    );
  }
  checkOp("Pow", { inputs: [reals(5), floats([2], [])], constants: [1] }, { inputs: [whole([2, 3]), floats([3, 2])] });
  checkOp(
    "Mod",
    { inputs: [whole([7, -7, 7]), whole([3, 3, -3])] },
    { inputs: [reals(4), floats([0.7])], attributes: { fmod: 1 } },
  );
  checkOp("Sum", { inputs: [reals(3), reals(2, 3), reals(1)] });
  checkOp("Mean", { inputs: [reals(3), reals(2, 3), reals(1)] });
  checkOp("Add", { inputs: [reals(3).to(float64), reals(3).to(float64)] });
});

describe("comparisons and logic", () => {
  for (const op of ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]) {
    checkOp(
      op,
      { inputs: [floats([1, 2, 3]), floats([1, 3, 2])] },
      { inputs: [whole([1, 2, 3]), whole([2], [])], constants: [1] },
    );
  }
  for (const op of ["And", "Or", "Xor"]) checkOp(op, { inputs: [truths(1, 0, 1, 0), truths(1, 1, 0, 0)] });
  for (const op of ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]) {
    checkOp(op, { inputs: [whole([12, 10, -3], [3], int32), whole([10, 6, 5], [3], int32)], opset: 18 });
  }
  checkOp("BitwiseNot", { inputs: [whole([12, 0, -3], [3], int32)], opset: 18 });
  checkOp("Where", { inputs: [truths(1, 0, 1), reals(2, 3), floats([9], [])] });
});

describe("activations", () => {
  checkOp(
    "Clip",
    { inputs: [reals(9), floats([-0.5], []), floats([1], [])], constants: [1, 2] },
    { inputs: [reals(9), null, floats([1], [])], constants: [2] },
    { inputs: [reals(9), floats([-0.5], []), floats([1], [])] },
    { inputs: [reals(9)], attributes: { min: { float: 0 }, max: { float: 6 } }, opset: 10 },
    { inputs: [reals(9)] },
  );
  checkOp("Clip", { inputs: [whole([-5, 3, 100], [3], int8), null, whole([7], [], int8)] });
  checkOp("HardSigmoid", { inputs: [reals(9)] }, { inputs: [reals(9)], attributes: { alpha: { float: 1 / 6 } } });
  checkOp("LeakyRelu", { inputs: [reals(9)] }, { inputs: [reals(9)], attributes: { alpha: { float: 0.3 } } });
  checkOp("Elu", { inputs: [reals(9)], attributes: { alpha: { float: 0.7 } } });
  checkOp("Celu", { inputs: [reals(9)], attributes: { alpha: { float: 0.7 } } });
  checkOp("Selu", { inputs: [reals(9)] }, { inputs: [reals(9)], attributes: { alpha: { float: 2 } } });
  checkOp(
    "Gelu",
    { inputs: [reals(9)], opset: 20 },
    { inputs: [reals(9)], opset: 20, attributes: { approximate: "tanh" } },
  );
  checkOp("ThresholdedRelu", { inputs: [reals(9)], attributes: { alpha: { float: 0.6 } } });
  checkOp("Shrink", { inputs: [reals(9)], attributes: { bias: { float: 0.2 } } });
  checkOp(
    "PRelu",
    { inputs: [reals(2, 3, 4), floats([0.1, 0.2, 0.3], [3, 1])], constants: [1], modules: ["PReLU"] },
    { inputs: [reals(2, 3), reals(2, 3)] },
  );
  for (const op of ["Softmax", "LogSoftmax", "Hardmax"]) {
    checkOp(
      op,
      { inputs: [reals(2, 3, 4)] },
      { inputs: [reals(2, 3, 4)], attributes: { axis: 1 } },
      { inputs: [reals(2, 3, 4)], opset: 11 },
      { inputs: [reals(2, 3)], opset: 11 },
    );
  }
});
