/**
 * Look-ups for ONNX. Rows of a quantized table are looked up as integers, and only they are turned into floats; scales and
 * zero points are float there, one for each row. Bags, for which ONNX has nothing, are sums over a mask [bags, indices].
 */
import { bool, float32, int64, quint4x2, uint8 } from "../../core/dtype.ts";
import { isPerTensor } from "../../core/qparams.ts";
import type { Embedding, EmbeddingBag } from "../../nn/modules/sparse.ts";
import { quantizerOf } from "../../ops/quantize.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { CallContext, OpExports } from "../export-context.ts";
import { smallTensor } from "../export-context.ts";
import { dequantize, integerWeight, storeWeight } from "../export-quantized.ts";
import type { TensorValue } from "../export-value.ts";
import { referenceWeight } from "./weight.ts";

/** Gives the rows with these indices, in float: [...indices, dim]. */
type Table = (indices: TensorValue) => TensorValue;

function floatTable(c: CallContext, weight: TensorValue): Table {
  return (indices) => c.node("Gather", [weight, indices], { axis: 0 }, weight.dtype);
}

function tableOf(c: CallContext, module: Embedding | EmbeddingBag, path: string): Table {
  const rounded = referenceWeight(module);
  if (!rounded?.isQuantized) return floatTable(c, c.parameter(`${path}.weight`, rounded ?? module.weight));
  const integers = integerWeight(rounded);
  if (!integers || integers.grid.axis !== null) return rowwiseTable(c, rounded, `${path}.weight`);
  const stored = storeWeight(c, integers, `${path}.weight`);
  return (indices) => {
    const rows = c.node("Gather", [stored, indices], { axis: 0 });
    return dequantize(c, { ...stored, id: rows.id!, constant: null, shape: null });
  };
}

/** (q − zeroPoint) · scale with a scale and zero point for each row. */
function rowwiseTable(c: CallContext, weight: Tensor, path: string): Table {
  const quantizer = quantizerOf(weight);
  c.require(!isPerTensor(quantizer) && quantizer.axis === 0, "the table must have its scales by row");
  const rows = weight.shape[0];
  const column = (what: string, values: ArrayLike<number>): TensorValue =>
    c.parameter(`${path}_${what}`, smallTensor(Array.from(values), [rows, 1], float32));
  const [scale, zeroPoint] = [column("scale", quantizer.scales), column("zero_point", quantizer.zeroPoints)];
  const integers = storedIntegers(c, weight, path);
  return (indices) => {
    const take = (from: TensorValue) => c.node("Gather", [from, indices], { axis: 0 });
    return c.node("Mul", [c.node("Sub", [c.cast(take(integers), float32), take(zeroPoint)]), take(scale)]);
  };
}

/** The integers, with 4 bits each where the target stores such. */
function storedIntegers(c: CallContext, weight: Tensor, path: string): TensorValue {
  const codes = Tensor.fromArray(weight.elements(), weight.shape, uint8);
  const isSmall = weight.dtype === quint4x2;
  if (!isSmall || !c.builder.target.int4) {
    if (isSmall) c.builder.note(`${path}: its 4-bit integers take a byte each, as the target asks`);
    return c.parameter(`${path}_quantized`, codes);
  }
  c.builder.needs(21);
  const id = c.builder.constant(`packed ${path}`, `${path}_quantized`, () => codes, "uint4");
  return c.cast(id, uint8);
}

export function embeddingModule(c: CallContext, module: Embedding, path: string): TensorValue {
  c.require(module.maxNorm === null, "maxNorm changes the table while it is used");
  return tableOf(c, module, path)(c.tensor(0));
}

// ---------------------------------------------------------------- bags

interface BagOptions {
  readonly mode: string;
  readonly includeLastOffset: boolean;
  readonly paddingIdx: number | null;
  readonly perSampleWeights: TensorValue | null;
}

/** Which index belongs to which bag: bool [bags, indices]. */
function bagMask(c: CallContext, indices: TensorValue, offsets: TensorValue, options: BagOptions): TensorValue {
  const count = c.node("Shape", [indices], {}, int64);
  const zero = c.scalar(0, int64);
  const positions = c.node("Range", [zero, c.squeeze(count, [0]), c.scalar(1, int64)], {}, int64);
  const wide = offsets.dtype === int64 ? offsets : c.cast(offsets, int64);
  const ends = options.includeLastOffset ? wide : c.node("Concat", [wide, count], { axis: 0 });
  const column = (from: number, to: number) => c.unsqueeze(c.node("Slice", [ends, c.ints([from]), c.ints([to])]), [1]);
  const starts = column(0, -1);
  const stops = column(1, 2 ** 31 - 1);
  const begun = c.node("GreaterOrEqual", [positions, starts], {}, bool);
  return c.node("And", [begun, c.node("Less", [positions, stops], {}, bool)], {}, bool);
}

/** [bags, dim] from rows [indices, dim] and a mask [bags, indices]. An empty bag gives zeros. */
function reduceBags(c: CallContext, rows: TensorValue, mask: TensorValue, mode: string): TensorValue {
  const { dtype } = rows;
  const members = c.cast(mask, dtype);
  if (mode === "max") {
    const lowest = c.scalar(-Infinity, dtype);
    const kept = c.node("Where", [c.unsqueeze(mask, [2]), c.unsqueeze(rows, [0]), lowest], {}, dtype);
    const highest = reduced(c, "ReduceMax", kept, 1);
    return c.node("Where", [c.node("IsInf", [highest], {}, bool), c.scalar(0, dtype), highest], {}, dtype);
  }
  const sums = c.node("MatMul", [members, rows]);
  if (mode === "sum") return sums;
  const counts = c.unsqueeze(c.node("ReduceSum", [members, c.ints([1])], { keepdims: 0 }), [1]);
  return c.node("Div", [sums, c.node("Max", [counts, c.scalar(1, dtype)])]);
}

function reduced(c: CallContext, opType: string, x: TensorValue, axis: number): TensorValue {
  if (c.opset >= 18) return c.node(opType, [x, c.ints([axis])], { keepdims: 0 });
  return c.node(opType, [x], { axes: [axis], keepdims: 0 });
}

function bags(
  c: CallContext,
  table: Table,
  indices: TensorValue,
  offsets: TensorValue | null,
  options: BagOptions,
): TensorValue {
  if (!offsets) {
    c.require(options.paddingIdx === null && !options.perSampleWeights, "padding and weights need offsets");
    const rows = table(indices);
    if (options.mode === "max") return reduced(c, "ReduceMax", rows, 1);
    if (options.mode === "mean") return reduced(c, "ReduceMean", rows, 1);
    return c.node("ReduceSum", [rows, c.ints([1])], { keepdims: 0 });
  }
  const { perSampleWeights, paddingIdx } = options;
  const looked = table(indices);
  const rows = perSampleWeights ? c.node("Mul", [looked, c.unsqueeze(perSampleWeights, [1])]) : looked;
  let mask = bagMask(c, indices, offsets, options);
  if (paddingIdx !== null) {
    const isPadding = c.node("Equal", [indices, c.scalar(paddingIdx, indices.dtype)], {}, bool);
    mask = c.node("And", [mask, c.node("Not", [isPadding], {}, bool)], {}, bool);
  }
  return reduceBags(c, rows, mask, options.mode);
}

export function embeddingBagModule(c: CallContext, module: EmbeddingBag, path: string): TensorValue {
  c.require(module.maxNorm === null, "maxNorm changes the table while it is used");
  const { mode, includeLastOffset, paddingIdx } = module;
  const options = { mode, includeLastOffset, paddingIdx, perSampleWeights: c.optionalTensor(2, "perSampleWeights") };
  return bags(c, tableOf(c, module, path), c.tensor(0), c.optionalTensor(1, "offsets"), options);
}

export const embeddingExports: OpExports = {
  embedding: (c: CallContext) => {
    c.require((c.kwargs.maxNorm ?? null) === null, "maxNorm changes the table while it is used");
    return floatTable(c, c.tensor(1, "weight"))(c.tensor(0));
  },
  embeddingBag: (c: CallContext) => {
    c.require((c.kwargs.maxNorm ?? null) === null, "maxNorm changes the table while it is used");
    return bags(c, floatTable(c, c.tensor(1, "weight")), c.tensor(0), c.optionalTensor(2, "offsets"), {
      mode: c.text(9, "mode", "mean"),
      includeLastOffset: c.flag(9, "includeLastOffset"),
      paddingIdx: (c.kwargs.paddingIdx ?? null) as number | null,
      perSampleWeights: c.optionalTensor(9, "perSampleWeights"),
    });
  },
};
