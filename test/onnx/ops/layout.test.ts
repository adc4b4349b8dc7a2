/** Shapes, joining and cutting, indexing and reductions of ONNX against ONNX Runtime. */
import { describe } from "vitest";
import { int32, int8, uint8 } from "../../../src/core/dtype.ts";
import type { Attributes } from "../oracle.ts";
import { checkOp, floats, positives, reals, truths, whole } from "../oracle.ts";

const x = reals(2, 3, 4);

describe("shapes", () => {
  checkOp(
    "Shape",
    { inputs: [x] },
    { inputs: [x], attributes: { start: -2 } },
    { inputs: [x], attributes: { start: 0, end: 2 } },
  );
  checkOp("Size", { inputs: [x] });
  checkOp(
    "Reshape",
    { inputs: [x, whole([6, 4])], constants: [1] },
    { inputs: [x, whole([0, -1])], constants: [1] },
    { inputs: [x, whole([-1, 3])] },
    { inputs: [reals(2, 0, 4), whole([0, 8])], constants: [1], attributes: { allowzero: 1 } },
  );
  for (const axis of [0, 1, 2, 3, -1]) checkOp("Flatten", { inputs: [x], attributes: { axis } });
  checkOp(
    "Expand",
    { inputs: [reals(3, 1), whole([2, 1, 4])], constants: [1] },
    { inputs: [reals(3, 1), whole([2, 1, 4])] },
  );
  checkOp(
    "Squeeze",
    { inputs: [reals(1, 3, 1), whole([0])], constants: [1] },
    { inputs: [reals(1, 3, 1), whole([-1, 0])], constants: [1] },
    { inputs: [reals(1, 3, 1)] },
    { inputs: [reals(1, 3, 1)], attributes: { axes: [2] }, opset: 11 },
  );
  checkOp("Squeeze", { inputs: [reals(1, 3, 1), whole([-1])] });
  checkOp("Unsqueeze", { inputs: [reals(3, 4), whole([-1, 0])] });
  checkOp(
    "Unsqueeze",
    { inputs: [reals(3, 4), whole([0, 3])], constants: [1] },
    { inputs: [reals(3, 4), whole([-1])], constants: [1] },
    { inputs: [reals(3, 4), whole([-1, 0])], constants: [1] },
    { inputs: [reals(3, 4)], attributes: { axes: [1] }, opset: 11 },
  );
  checkOp(
    "Transpose",
    { inputs: [x] },
    { inputs: [x], attributes: { perm: [1, 0, 2] } },
    { inputs: [whole([1, 2, 3, 4], [2, 2])] },
  );
  checkOp(
    "DepthToSpace",
    { inputs: [reals(1, 8, 2, 3)], attributes: { blocksize: 2 } },
    { inputs: [reals(1, 8, 2, 3)], attributes: { blocksize: 2, mode: "CRD" } },
  );
  checkOp("SpaceToDepth", { inputs: [reals(1, 2, 4, 6)], attributes: { blocksize: 2 } });
});

describe("joining, cutting, repeating", () => {
  checkOp(
    "Concat",
    { inputs: [reals(2, 3), reals(2, 1)], attributes: { axis: 1 } },
    { inputs: [reals(2, 3), reals(4, 3)], attributes: { axis: -2 }, constants: [1] },
    { inputs: [whole([1, 2]), whole([3])], attributes: { axis: 0 } },
  );
  checkOp(
    "Split",
    { inputs: [x, whole([1, 2])], attributes: { axis: 1 }, outputs: 2 },
    { inputs: [x, whole([1, 2])], constants: [1], attributes: { axis: 1 }, outputs: 2 },
    { inputs: [x], attributes: { axis: 2 }, outputs: 2 },
    { inputs: [x], attributes: { axis: 1, split: [2, 1] }, outputs: 2, opset: 11 },
    { inputs: [x], attributes: { axis: 1, num_outputs: 2 }, outputs: 2, opset: 18 },
  );
  checkOp(
    "Slice",
    { inputs: [x, whole([1, 0]), whole([2, -1]), whole([0, 2])], constants: [1, 2, 3] },
    { inputs: [x, whole([0]), whole([2 ** 53 - 1]), whole([-1]), whole([2])], constants: [1, 2, 3, 4] },
    { inputs: [x, whole([-1]), whole([-(2 ** 40)]), whole([2]), whole([-1])], constants: [1, 2, 3, 4] },
    { inputs: [x, whole([0, 1]), whole([1, 3])] },
    { inputs: [x], attributes: { starts: [1], ends: [3], axes: [1] }, opset: 9 },
  );
  checkOp("Tile", { inputs: [reals(2, 3), whole([2, 3])], constants: [1] }, { inputs: [reals(2, 3), whole([2, 3])] });
  for (const mode of ["constant", "reflect", "edge"]) {
    checkOp(
      "Pad",
      { inputs: [x, whole([0, 1, 2, 0, 2, 1])], constants: [1], attributes: { mode } },
      { inputs: [x, whole([0, 1, 2, 0, 2, 1])], attributes: { mode } },
    );
  }
  checkOp(
    "Pad",
    { inputs: [x, whole([0, -1, 1, 0, 0, 1]), floats([7], [])], constants: [1, 2] },
    { inputs: [reals(2, 3)], attributes: { pads: [0, 1, 1, 0], value: { float: 3 } }, opset: 2 },
    { inputs: [x, whole([1, 2]), null, whole([-1])], constants: [1, 3], opset: 18 },
  );
  checkOp("Trilu", { inputs: [reals(4, 5)] }, { inputs: [reals(4, 5), whole([1], [])], attributes: { upper: 0 } });
  checkOp("ReverseSequence", { inputs: [reals(4, 3), whole([1, 4, 2])] });
});

describe("constants and conversions", () => {
  checkOp("ConstantOfShape", { inputs: [whole([2, 3])] }, { inputs: [whole([2])], attributes: { value: whole([5]) } });
  checkOp(
    "Range",
    { inputs: [whole([2], []), whole([11], []), whole([3], [])] },
    { inputs: [floats([2], []), floats([0], []), floats([-0.5], [])] },
  );
  checkOp("EyeLike", { inputs: [reals(3, 4)] }, { inputs: [reals(3, 4)], attributes: { k: 1, dtype: 7 } });
  checkOp(
    "Cast",
    { inputs: [floats([1.7, -1.7, 0])], attributes: { to: 7 } },
    { inputs: [whole([3, 0])], attributes: { to: 1 } },
    { inputs: [floats([1.5, 0])], attributes: { to: 9 } },
  );
  checkOp("CastLike", { inputs: [floats([1.7, -1.7]), whole([1])] });
  checkOp("Dropout", { inputs: [reals(4)] }, { inputs: [reals(4)], outputs: 2 });
});

describe("positions", () => {
  checkOp(
    "Gather",
    { inputs: [x, whole([2, 0, -1, 1], [2, 2])], attributes: { axis: 1 } },
    { inputs: [x, whole([-1], [])], constants: [1], attributes: { axis: 2 } },
    { inputs: [reals(5, 3), whole([4, 0, 2])], constants: [0], modules: ["Embedding"] },
    { inputs: [x, whole([1, 1])], constants: [1] },
  );
  checkOp("GatherElements", { inputs: [reals(3, 3), whole([1, 2, 0, 2, 0, -1], [2, 3])], attributes: { axis: 0 } });
  checkOp(
    "GatherND",
    { inputs: [x, whole([0, 1, 1, -1], [2, 2])] },
    { inputs: [x, whole([1, 0], [2, 1])], attributes: { batch_dims: 1 } },
  );
  checkOp("ScatterElements", {
    inputs: [reals(3, 3), whole([1, 0, 2, 0, 2, -2], [2, 3]), reals(2, 3)],
    attributes: { axis: 0 },
  });
  checkOp("ScatterElements", {
    inputs: [reals(4), whole([1, 1, 3]), floats([1, 2, 3])],
    attributes: { reduction: "add" },
    opset: 16,
  });
  checkOp("Scatter", { inputs: [reals(1, 5), whole([1, 3], [1, 2]), reals(1, 2)], attributes: { axis: 1 }, opset: 10 });
  checkOp(
    "ScatterND",
    { inputs: [reals(4, 2), whole([3, 0], [2, 1]), reals(2, 2)] },
    { inputs: [reals(4), whole([1, 1, 2], [3, 1]), reals(3)], attributes: { reduction: "mul" } },
  );
  checkOp("NonZero", { inputs: [floats([0, 1, 2, 0], [2, 2])] });
  checkOp(
    "OneHot",
    { inputs: [whole([0, 2, -1]), whole([4], []), floats([0.5, 3])] },
    { inputs: [whole([0, 2]), whole([3], []), floats([0, 1])], attributes: { axis: 0 } },
  );
  checkOp(
    "Compress",
    { inputs: [reals(3, 2), truths(0, 1, 1)], attributes: { axis: 0 } },
    { inputs: [reals(3, 2), truths(0, 1, 1)] },
  );
});

describe("boxes", () => {
  const corners = [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11, 0, 10.1, 1, 11.1, 0, 100, 1, 101];
  const centers = corners.map((value, i) => (i % 4 < 2 ? value + 0.5 : 1));
  const scores = floats([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], [1, 1, 6]);
  const limits = [whole([3]), floats([0.5]), floats([0.4])];
  checkOp(
    "NonMaxSuppression",
    { inputs: [floats(corners, [1, 6, 4]), scores, ...limits] },
    { inputs: [floats(corners, [1, 6, 4]), scores, whole([2]), floats([0.5])] },
    { inputs: [floats(centers, [1, 6, 4]), scores, ...limits], attributes: { center_point_box: 1 } },
  );
});

describe("reductions", () => {
  for (const op of [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
  ]) {
    const isSum = op === "ReduceSum";
    const axes = (...values: number[]) => (isSum ? [whole(values)] : []);
    const attributes = (...values: number[]): Attributes => (isSum ? {} : { axes: values });
    const constants = isSum ? [1] : [];
    checkOp(
      op,
      { inputs: [positives(2, 3, 4), ...axes(1)], constants, attributes: attributes(1) },
      { inputs: [positives(2, 3, 4), ...axes(0, -1)], constants, attributes: { ...attributes(0, -1), keepdims: 0 } },
      { inputs: [positives(2, 3, 4)], tolerance: 1e-3 },
      { inputs: [positives(2, 3, 4), whole([0, 2])], opset: 18, tolerance: 1e-4 },
      { inputs: [positives(2, 3)], opset: 18, attributes: { noop_with_empty_axes: 1 } },
    );
  }
  checkOp("ReduceSum", { inputs: [whole([1, 2, 3, 4], [2, 2], int32), whole([0])], constants: [1] });
  for (const op of ["ArgMax", "ArgMin"]) {
    checkOp(
      op,
      { inputs: [x], attributes: { axis: 1 } },
      { inputs: [floats([1, 3, 3, 1])], attributes: { select_last_index: 1, keepdims: 0 } },
    );
  }
  checkOp(
    "TopK",
    { inputs: [x, whole([2])], constants: [1], outputs: 2 },
    { inputs: [x, whole([2])], attributes: { axis: 1, largest: 0 }, outputs: 2 },
  );
  checkOp(
    "CumSum",
    { inputs: [x, whole([1], [])], constants: [1] },
    { inputs: [x, whole([-1], [])], attributes: { exclusive: 1 } },
    { inputs: [x, whole([0], [])], attributes: { reverse: 1, exclusive: 1 } },
  );
});

describe("quantization", () => {
  const bytes = (...values: number[]) => whole(values, [values.length], uint8);
  checkOp(
    "QuantizeLinear",
    { inputs: [reals(3, 4), floats([0.02], []), whole([120], [], uint8)] },
    { inputs: [reals(3, 4), floats([0.02, 0.03, 0.01]), whole([0, 5, -3], [3], int8)], attributes: { axis: 0 } },
    { inputs: [reals(3, 4), floats([0.02], [])] },
  );
  checkOp(
    "DequantizeLinear",
    { inputs: [bytes(0, 7, 255), floats([0.5], []), whole([7], [], uint8)] },
    {
      inputs: [whole([1, -2, 3, 4], [2, 2], int8), floats([0.5, 2]), whole([0, 1], [2], int8)],
      attributes: { axis: 1 },
    },
  );
  checkOp("DynamicQuantizeLinear", { inputs: [reals(3, 4)], outputs: 3 });
  checkOp("MatMulInteger", {
    inputs: [
      whole([1, 200, 30, 4], [2, 2], uint8),
      whole([5, 6, 7, 8], [2, 2], uint8),
      whole([3], [], uint8),
      whole([1], [], uint8),
    ],
  });
  checkOp("QLinearMatMul", {
    inputs: [
      whole([1, 200, 30, 4], [2, 2], uint8),
      floats([0.1], []),
      whole([3], [], uint8),
      whole([5, 6, 7, 8], [2, 2], uint8),
      floats([0.2], []),
      whole([1], [], uint8),
      floats([0.5], []),
      whole([10], [], uint8),
    ],
  });
  const image = whole(
    Array.from({ length: 32 }, (_, i) => (i * 37) % 256),
    [1, 2, 4, 4],
    uint8,
  );
  const kernel = whole(
    Array.from({ length: 54 }, (_, i) => ((i * 29) % 200) - 100),
    [3, 2, 3, 3],
    int8,
  );
  checkOp("ConvInteger", {
    inputs: [
      image,
      whole(
        Array.from({ length: 54 }, (_, i) => (i * 29) % 200),
        [3, 2, 3, 3],
        uint8,
      ),
      whole([3], [], uint8),
      whole([100], [], uint8),
    ],
    constants: [1],
    attributes: { pads: [1, 1, 1, 1] },
  });
  checkOp("QLinearConv", {
    inputs: [
      image,
      floats([0.1], []),
      whole([3], [], uint8),
      kernel,
      floats([0.02, 0.01, 0.03]),
      whole([0, 0, 0], [3], int8),
      floats([0.5], []),
      whole([128], [], uint8),
      whole([10, -20, 30], [3], int32),
    ],
    constants: [1, 2, 3, 4, 5, 6, 7, 8],
    attributes: { pads: [1, 1, 1, 1], strides: [2, 2] },
  });
});
