/** Pools and resizing for ONNX. */
import { float32, int64 } from "../../core/dtype.ts";
import type { AttributeValue } from "../export-builder.ts";
import type { CallContext, OpExport, OpExports } from "../export-context.ts";
import { smallTensor } from "../export-context.ts";
import type { TensorValue } from "../export-value.ts";
import { batched } from "./window.ts";

function windowAttributes(c: CallContext, rank: number): Record<string, AttributeValue> {
  const kernel = c.sizes(1, "kernelSize", rank, 1);
  const stride = c.kwargs.stride ?? null;
  const pads = c.sizes(3, "padding", rank, 0);
  return {
    kernel_shape: kernel,
    strides: stride === null ? kernel : c.sizes(2, "stride", rank, 1),
    pads: [...pads, ...pads],
    ...(c.flag(4, "ceilMode") ? { ceil_mode: 1 } : {}),
  };
}

function maxPool(rank: number): OpExport {
  return (c: CallContext) => {
    const x = c.tensor(0);
    const attributes = { ...windowAttributes(c, rank), dilations: c.sizes(5, "dilation", rank, 1) };
    if (!c.flag(6, "returnIndices")) return batched(c, x, rank, (input) => c.node("MaxPool", [input], attributes));
    c.require(x.shape?.length !== rank + 1, "indices of an input without a batch cannot be written");
    return c.nodes("MaxPool", [x], attributes, [x.dtype, int64]);
  };
}

function avgPool(rank: number): OpExport {
  return (c: CallContext) => {
    const attributes = windowAttributes(c, rank);
    const divisor = (c.kwargs.divisorOverride ?? null) as number | null;
    const includesPad = c.flag(5, "countIncludePad", true) || divisor !== null;
    const pooled = batched(c, c.tensor(0), rank, (x) =>
      c.node("AveragePool", [x], { ...attributes, ...(includesPad ? { count_include_pad: 1 } : {}) }),
    );
    if (divisor === null) return pooled;
    const size = (attributes.kernel_shape as readonly number[]).reduce((a, b) => a * b, 1);
    return c.node("Mul", [pooled, c.scalar(size / divisor, pooled.dtype)]);
  };
}

/** Pooling to a size of which each element covers equally much of the input. */
function adaptive(rank: number, kind: "Average" | "Max"): OpExport {
  return (c: CallContext) => {
    c.require(!c.flag(2, "returnIndices"), "indices of adaptive pools cannot be written");
    const wanted = adaptiveSizes(c, rank);
    return batched(c, c.tensor(0), rank, (x) => {
      if (wanted.every((size) => size === 1)) return c.node(`Global${kind}Pool`, [x]);
      const given = c.shape(x).slice(-rank);
      const sizes = wanted.map((size, d) => size ?? given[d]);
      c.require(
        sizes.every((size, d) => given[d] % size === 0),
        `the input's size [${given.join(", ")}] is no multiple of the output's [${sizes.join(", ")}]`,
      );
      const kernel = sizes.map((size, d) => given[d] / size);
      return c.node(`${kind}Pool`, [x], { kernel_shape: kernel, strides: kernel });
    });
  };
}

/** Null keeps a dimension. */
function adaptiveSizes(c: CallContext, rank: number): (number | null)[] {
  const size = c.argument(1, "outputSize");
  const list = (Array.isArray(size) ? size : [size]) as (number | null)[];
  return list.length === 1 ? new Array<number | null>(rank).fill(list[0]) : list;
}

const resizeModes: Readonly<Record<string, Readonly<Record<string, AttributeValue>>>> = {
  nearest: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
  "nearest-exact": { mode: "nearest", coordinate_transformation_mode: "half_pixel", nearest_mode: "round_prefer_ceil" },
  linear: { mode: "linear" },
  bilinear: { mode: "linear" },
  trilinear: { mode: "linear" },
  bicubic: { mode: "cubic", cubic_coeff_a: { float: -0.75 } },
};

function interpolate(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const mode = c.text(3, "mode", "nearest");
  const known = resizeModes[mode];
  c.require(known, `the mode ${mode} has no form in ONNX`);
  const alignment = c.flag(4, "alignCorners") ? "align_corners" : "half_pixel";
  const attributes = { coordinate_transformation_mode: alignment, ...known };
  const rank = c.rank(x) - 2;
  const size = c.numbers(1, "size");
  if (size) {
    const all = size.length === 1 ? new Array<number>(rank).fill(size[0]) : size;
    const lead = c.node("Slice", [c.node("Shape", [x], {}, int64), c.ints([0]), c.ints([2])]);
    return c.node("Resize", [x, null, null, c.node("Concat", [lead, c.ints(all)], { axis: 0 })], attributes);
  }
  const factors = c.sizes(2, "scaleFactor", rank, 1);
  const scales = c.stored(smallTensor([1, 1, ...factors], [rank + 2], float32), "scales");
  return c.node("Resize", [x, null, scales], attributes);
}

function pixelUnshuffle(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const factor = c.number(1, "downscaleFactor", 1);
  const [channels, height, width] = c.shape(x).slice(-3);
  c.require(c.rank(x) === 4, "only images in batches [N, C, H, W] can be written");
  const apart = c.reshape(x, [-1, channels, height / factor, factor, width / factor, factor]);
  return c.reshape(c.transpose(apart, [0, 1, 3, 5, 2, 4]), [
    -1,
    channels * factor ** 2,
    height / factor,
    width / factor,
  ]);
}

function channelShuffle(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const groups = c.number(1, "groups", 1);
  const shape = c.shape(x);
  const apart = c.reshape(x, [-1, groups, shape[1] / groups, ...shape.slice(2)]);
  const perm = [0, 2, 1, ...shape.slice(2).map((_, d) => d + 3)];
  return c.reshape(c.transpose(apart, perm), [-1, ...shape.slice(1)]);
}

const ranks = [1, 2, 3];

export const poolExports: OpExports = {
  ...Object.fromEntries(
    ranks.flatMap((rank) => [
      [`maxPool${rank}d`, maxPool(rank)],
      [`avgPool${rank}d`, avgPool(rank)],
      [`adaptiveAvgPool${rank}d`, adaptive(rank, "Average")],
      [`adaptiveMaxPool${rank}d`, adaptive(rank, "Max")],
    ]),
  ),
  interpolate,
  pixelShuffle: (c) =>
    c.node("DepthToSpace", [c.tensor(0)], { blocksize: c.number(1, "upscaleFactor", 1), mode: "CRD" }),
  pixelUnshuffle,
  channelShuffle,
};
