/** Convolutions, products, pools, normalizations and recurrent layers of ONNX against ONNX Runtime. */
import { describe } from "vitest";
import type { Attributes } from "../oracle.ts";
import { checkOp, floats, positives, reals, whole } from "../oracle.ts";

describe("convolutions", () => {
  const weight = reals(6, 4, 3, 3);
  checkOp(
    "Conv",
    { inputs: [reals(2, 4, 7, 8), weight, reals(6)], constants: [1, 2], modules: ["Conv2d"] },
    {
      inputs: [reals(2, 4, 7, 8), weight],
      constants: [1],
      attributes: { pads: [1, 1, 1, 1], strides: [2, 1], dilations: [1, 2] },
      modules: ["Conv2d"],
    },
    { inputs: [reals(1, 4, 7, 8), weight], constants: [1], attributes: { pads: [0, 1, 2, 0] } },
    { inputs: [reals(1, 8, 7, 8), reals(4, 2, 3, 3)], constants: [1], attributes: { group: 4 } },
    { inputs: [reals(1, 4, 7, 8), weight, reals(6)] },
    { inputs: [reals(1, 4, 9), reals(3, 4, 3)], constants: [1], attributes: { pads: [1, 1] }, modules: ["Conv1d"] },
    { inputs: [reals(1, 2, 4, 5, 6), reals(3, 2, 2, 2, 2)], constants: [1], modules: ["Conv3d"] },
  );
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER", "VALID"]) {
    checkOp(
      "Conv",
      { inputs: [reals(1, 4, 7, 8), weight], constants: [1], attributes: { auto_pad, strides: [2, 2] } },
      { inputs: [reals(1, 4, 7, 8), reals(5, 4, 2, 2)], constants: [1], attributes: { auto_pad } },
    );
  }
  const back = reals(4, 3, 3, 3);
  checkOp(
    "ConvTranspose",
    { inputs: [reals(1, 4, 5, 6), back, reals(3)], constants: [1, 2], modules: ["ConvTranspose2d"] },
    {
      inputs: [reals(1, 4, 5, 6), back],
      constants: [1],
      attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
    },
    { inputs: [reals(1, 4, 5, 6), back], constants: [1], attributes: { strides: [2, 2], pads: [0, 1, 2, 0] } },
    { inputs: [reals(1, 4, 5, 6), back], constants: [1], attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" } },
    { inputs: [reals(1, 4, 5), reals(4, 2, 3)], attributes: { strides: [2] } },
    { inputs: [reals(1, 4, 5, 6), reals(4, 2, 3, 3)], constants: [1], attributes: { group: 2 } },
  );
});

describe("products", () => {
  checkOp(
    "MatMul",
    { inputs: [reals(2, 3, 4), reals(4, 5)], constants: [1], modules: ["Linear"] },
    { inputs: [reals(2, 3, 4), reals(2, 4, 5)] },
    { inputs: [reals(3, 4), reals(2, 4, 5)], constants: [0] },
    { inputs: [reals(4), reals(4, 5)] },
    { inputs: [whole([1, 2, 3, 4], [2, 2]), whole([5, 6, 7, 8], [2, 2])] },
  );
  checkOp(
    "Gemm",
    { inputs: [reals(3, 4), reals(4, 5), reals(5)], constants: [1, 2], modules: ["Linear"] },
    {
      inputs: [reals(3, 4), reals(5, 4), reals(5)],
      constants: [1, 2],
      attributes: { transB: 1, alpha: { float: 0.5 }, beta: { float: 2 } },
      modules: ["Linear"],
    },
    { inputs: [reals(4, 3), reals(4, 5), reals(1)], constants: [1, 2], attributes: { transA: 1 } },
    { inputs: [reals(3, 4), reals(4, 5), reals(3, 1)], constants: [1, 2] },
    { inputs: [reals(3, 4), reals(4, 5), reals(3, 5)] },
    { inputs: [reals(3, 4), reals(4, 5)], constants: [1] },
  );
  checkOp(
    "Einsum",
    { inputs: [reals(2, 3, 4), reals(2, 4, 5)], attributes: { equation: "bij,bjk->bik" } },
    { inputs: [reals(2, 3, 4, 5), reals(2, 6, 4, 5)], attributes: { equation: "bihd,bjhd->bhij" } },
    { inputs: [reals(3, 3)], attributes: { equation: "ii->i" } },
    { inputs: [reals(3, 4)], attributes: { equation: "ij->ji" } },
    { inputs: [reals(3), reals(4), reals(3, 4)], attributes: { equation: "i,j,ij->" } },
    { inputs: [reals(2, 3, 4), reals(2, 4, 5)], attributes: { equation: "...ij,...jk->...ik" } },
    { inputs: [reals(3, 4, 4)], attributes: { equation: "...ii->...i" } },
  );
});

describe("pools", () => {
  const x = reals(1, 2, 7, 8);
  const kernel_shape = [3, 2];
  checkOp(
    "MaxPool",
    { inputs: [x], attributes: { kernel_shape } },
    { inputs: [x], attributes: { kernel_shape, strides: [2, 2], pads: [1, 1, 1, 1] } },
    { inputs: [x], attributes: { kernel_shape, strides: [2, 2], pads: [0, 1, 1, 0] } },
    { inputs: [x], attributes: { kernel_shape, strides: [2, 2], auto_pad: "SAME_UPPER" } },
    { inputs: [x], attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 } },
    { inputs: [x], attributes: { kernel_shape, dilations: [2, 2] } },
    { inputs: [reals(1, 2, 9)], attributes: { kernel_shape: [3] } },
  );
  checkOp(
    "MaxPool",
    { inputs: [reals(2, 3, 6, 8)], attributes: { kernel_shape: [2, 2], strides: [2, 2] }, outputs: 2 },
    { inputs: [reals(2, 3, 6, 8)], attributes: { kernel_shape: [2, 2], storage_order: 1 }, outputs: 2 },
  );
  checkOp(
    "AveragePool",
    { inputs: [x], attributes: { kernel_shape } },
    { inputs: [x], attributes: { kernel_shape, strides: [2, 2], pads: [1, 1, 1, 1] } },
    { inputs: [x], attributes: { kernel_shape, pads: [1, 1, 1, 1], count_include_pad: 1 } },
    { inputs: [x], attributes: { kernel_shape, strides: [2, 2], pads: [0, 1, 1, 0] } },
    { inputs: [x], attributes: { kernel_shape, strides: [2, 2], auto_pad: "SAME_LOWER" } },
    { inputs: [x], attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 } },
  );
  checkOp("LpPool", { inputs: [positives(1, 2, 7, 8)], attributes: { kernel_shape, p: 3 } });
  for (const op of ["GlobalAveragePool", "GlobalMaxPool"]) checkOp(op, { inputs: [x] }, { inputs: [reals(2, 3, 5)] });
  checkOp("GlobalLpPool", { inputs: [x], attributes: { p: 3 } });
});

describe("normalizations", () => {
  const vectors = [positives(4), reals(4), reals(4), positives(4)];
  checkOp(
    "BatchNormalization",
    { inputs: [reals(2, 4, 3, 3), ...vectors], constants: [1, 2, 3, 4], modules: ["BatchNorm2d"] },
    { inputs: [reals(2, 4), ...vectors], constants: [1, 2, 3, 4], modules: ["BatchNorm1d"] },
    { inputs: [reals(2, 4, 3), ...vectors] },
    {
      inputs: [reals(2, 4, 3), ...vectors],
      constants: [1, 2, 3, 4],
      opset: 9,
      attributes: { epsilon: { float: 0.01 } },
    },
  );
  checkOp(
    "InstanceNormalization",
    { inputs: [reals(2, 4, 3, 3), reals(4), reals(4)], constants: [1, 2], modules: ["InstanceNorm2d"] },
    { inputs: [reals(2, 4, 9), reals(4), reals(4)] },
  );
  checkOp(
    "LayerNormalization",
    { inputs: [reals(2, 3, 4), reals(4), reals(4)], constants: [1, 2], modules: ["LayerNorm"] },
    { inputs: [reals(2, 3, 4), reals(3, 4)], constants: [1], attributes: { axis: 1 } },
    { inputs: [reals(2, 3, 4), reals(4), reals(4)], outputs: 3 },
  );
  checkOp(
    "GroupNormalization",
    { inputs: [reals(2, 4, 3), reals(2), reals(2)], attributes: { num_groups: 2 }, opset: 18 },
    { inputs: [reals(2, 4, 3), reals(4), reals(4)], attributes: { num_groups: 2 }, opset: 21 },
  );
  checkOp("LpNormalization", { inputs: [reals(3, 4)] }, { inputs: [reals(3, 4)], attributes: { p: 1, axis: 0 } });
  checkOp("LRN", { inputs: [reals(1, 6, 3, 3)], attributes: { size: 3, alpha: { float: 0.5 } } });
  checkOp("MeanVarianceNormalization", { inputs: [reals(2, 3, 4, 5)] });
});

describe("recurrent layers", () => {
  for (const [op, gates] of [
    ["LSTM", 4],
    ["GRU", 3],
    ["RNN", 1],
  ] as const) {
    const weights = (directions: number) => [
      reals(directions, gates * 3, 4),
      reals(directions, gates * 3, 3),
      reals(directions, gates * 6),
    ];
    const cells = op === "LSTM" ? 3 : 2;
    const common: Attributes = op === "GRU" ? { hidden_size: 3, linear_before_reset: 1 } : { hidden_size: 3 };
    const constants = [1, 2, 3];
    checkOp(
      op,
      { inputs: [reals(5, 2, 4), ...weights(1)], constants, attributes: common, outputs: cells, modules: [op] },
      {
        inputs: [reals(5, 2, 4), ...weights(2)],
        constants,
        attributes: { ...common, direction: "bidirectional" },
        outputs: cells,
      },
      {
        inputs: [reals(5, 2, 4), ...weights(1)],
        constants,
        attributes: { ...common, direction: "reverse" },
        outputs: cells,
      },
      { inputs: [reals(5, 2, 4), ...weights(1), null, reals(1, 2, 3)], constants, attributes: common, outputs: cells },
    );
  }
  for (const [op, gates] of [
    ["LSTM", 4],
    ["GRU", 3],
    ["RNN", 1],
  ] as const) {
    const weights = [reals(2, gates * 3, 4), reals(2, gates * 3, 3), reals(2, gates * 6)];
    const attributes: Attributes = {
      hidden_size: 3,
      direction: "bidirectional",
      ...(op === "GRU" && { linear_before_reset: 1 }),
    };
    checkOp(op, { inputs: [reals(5, 2, 4), ...weights], attributes, outputs: 2 });
  }
  checkOp("LSTM", {
    inputs: [reals(5, 2, 4), reals(1, 12, 4), reals(1, 12, 3), null, null, reals(1, 2, 3), reals(1, 2, 3)],
    constants: [1, 2],
    attributes: { hidden_size: 3 },
    outputs: 3,
  });
  checkOp("GRU", {
    inputs: [reals(5, 2, 4), reals(1, 9, 4), reals(1, 9, 3), reals(1, 18), null, reals(1, 2, 3)],
    constants: [1, 2, 3],
    attributes: { hidden_size: 3 },
    outputs: 2,
  });
});

describe("resizing", () => {
  const x = reals(1, 2, 4, 5);
  const scales = floats([1, 1, 2, 1.5]);
  const sizes = whole([1, 2, 7, 3]);
  const none = floats([]);
  for (const coordinates of ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]) {
    for (const mode of ["nearest", "linear", "cubic"]) {
      const attributes = { mode, coordinate_transformation_mode: coordinates };
      checkOp(
        "Resize",
        { inputs: [x, none, scales], constants: [1, 2], attributes },
        { inputs: [x, none, none, sizes], constants: [1, 2, 3], attributes },
      );
    }
  }
  for (const nearest_mode of ["round_prefer_ceil", "floor", "ceil"]) {
    checkOp("Resize", { inputs: [x, none, scales], constants: [1, 2], attributes: { nearest_mode } });
  }
  checkOp(
    "Resize",
    {
      inputs: [x, floats([0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1]), none, sizes],
      constants: [1, 2, 3],
      attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize" },
    },
    { inputs: [x, scales], constants: [1], opset: 10 },
    { inputs: [x, none, scales] },
    { inputs: [x, null, null, whole([8, 9])], constants: [3], opset: 18, attributes: { axes: [2, 3], mode: "linear" } },
    {
      inputs: [x, none, floats([1, 1, 0.6, 0.6])],
      constants: [1, 2],
      attributes: { mode: "cubic", exclude_outside: 1 },
    },
  );
  checkOp(
    "Upsample",
    { inputs: [x, floats([1, 1, 2, 3])], constants: [1], opset: 9 },
    { inputs: [x], attributes: { scales: { floats: [1, 1, 2, 2] } }, opset: 7 },
  );
});
