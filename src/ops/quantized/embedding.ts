/**
 * Look-ups in embedding tables of 8, 4 or 2 bits (`torch.ops.quantized.embedding_*`). Results are float32. The byte format
 * and its arithmetic are in embedding-rows.ts.
 */
import { float16, float32, int32, int64, quint4x2, quint8, uint8 } from "../../core/dtype.ts";
import { OctetError, check, formatShape } from "../../core/errors.ts";
import { isPerTensor, perChannelAffineFloatQparams } from "../../core/qparams.ts";
import { numelOf } from "../../core/shape.ts";
import { floatElements } from "../../tensor/convert.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { bagGeometry } from "../embedding-bags.ts";
import { nondifferentiable } from "../op.ts";
import { quantizerOf } from "../quantize.ts";
import type { EmbeddingRows, RangeSearch, RowBits } from "./embedding-rows.ts";
import {
  addRow,
  bytesPerRow,
  checkWidth,
  dequantizeRow,
  optimizedRange,
  packRows,
  quantizeRowsTo8Bits,
  quantizeRowsToFewBits,
  readRows,
} from "./embedding-rows.ts";
import { quantizedOperator } from "./operator.ts";

// ---------------------------------------------------------------- quantized weights

/** A quantized embedding weight in the form that look-ups take. */
export interface EmbeddingPackedParams {
  readonly weight: Tensor;
  readonly table: EmbeddingRows;
}

/**
 * Packs a weight [rows, dim] of dtype quint8 or quint4x2, quantized per row with float qparams. A row's scale and bias
 * −zeroPoint · scale are kept as float32 (quint8) or float16 (quint4x2).
 */
export function embeddingBagPrepack(weight: Tensor): EmbeddingPackedParams {
  const op = "qembedding_bag_prepack";
  const quantizer = quantizerOf(weight);
  if (weight.dtype !== quint8 && weight.dtype !== quint4x2) {
    throw new OctetError(`${op} currently only supports quint8 and quint4x2 weights, got ${weight.dtype.name}`);
  }
  if (isPerTensor(quantizer) || quantizer.qscheme !== perChannelAffineFloatQparams) {
    throw new OctetError("Expect embedding_bag weights to be quantized using kPerChannelAffineFloatQParams");
  }
  check(weight.ndim === 2, () => `${op}: weight must have 2 dimensions, got ${formatShape(weight.shape)}`);
  check(quantizer.axis === 0, () => `${op}: weight must be quantized along axis 0, got axis ${quantizer.axis}`);
  const [rows, dim] = weight.shape;
  const bits = weight.dtype === quint8 ? 8 : 4;
  checkWidth(op, bits, dim);
  const { scales, zeroPoints } = quantizer;
  const biasOf = (row: number) => -Math.fround(zeroPoints[row] * scales[row]);
  const table = packRows(bits, rows, dim, weight.elements(), (row) => scales[row], biasOf);
  return Object.freeze({ weight, table });
}

/** The weight that was packed. */
export function embeddingBagUnpack(packed: EmbeddingPackedParams): Tensor {
  return packed.weight;
}

// ---------------------------------------------------------------- float weights in bytes

export interface FewBitsOptions {
  /** Searches each row for the range with the smallest error, see {@link chooseQparamsOptimized}. Default false. */
  readonly optimizedQparams?: boolean;
  /** Steps that the range is divided into, default 200. */
  readonly nbins?: number;
  /** The part of the range that may be cut off, default 0.16. */
  readonly ratio?: number;
}

function floatRows(op: string, weight: Tensor, bits: RowBits): { values: Float32Array; rows: number; dim: number } {
  if (weight.dtype !== float32 && weight.dtype !== float16) {
    throw new OctetError(`'${op}' only support float32 or float16, got ${weight.dtype.name}`);
  }
  const fits = weight.ndim === 2 || (bits === 8 && weight.ndim > 2);
  check(
    fits,
    () => `'${op}': weight must have ${bits === 8 ? "at least " : ""}2 dimensions, got ${formatShape(weight.shape)}`,
  );
  const dim = weight.shape[weight.ndim - 1];
  check(dim > 0, () => `'${op}': weight must have columns, got ${formatShape(weight.shape)}`);
  checkWidth(op, bits, dim);
  return { values: floatElements(weight, float32) as Float32Array, rows: numelOf(weight.shape) / dim, dim };
}

function bytesTensor(weight: Tensor, { bits, dim, bytes }: EmbeddingRows): Tensor {
  return Tensor.fromArray(bytes, [...weight.shape.slice(0, -1), bytesPerRow(bits, dim)], uint8);
}

/** A float weight [..., dim] as uint8 rows [..., dim + 8]: integers, float32 scale, float32 bias. */
export const embeddingBagBytePrepack = quantizedOperator("embeddingBagBytePrepack", (weight: Tensor): Tensor => {
  const { values, rows, dim } = floatRows("embedding_bag_byte_prepack", weight, 8);
  return bytesTensor(weight, quantizeRowsTo8Bits(values, rows, dim));
});

function fewBitsPrepack(bits: 4 | 2) {
  return quantizedOperator(`embeddingBag${bits}bitPrepack`, (weight: Tensor, options: FewBitsOptions = {}): Tensor => {
    const { optimizedQparams = false, nbins = 200, ratio = 0.16 } = options;
    const { values, rows, dim } = floatRows(`embedding_bag_${bits}bit_prepack`, weight, bits);
    const search: RangeSearch | undefined = optimizedQparams
      ? (row) => optimizedRange(row, nbins, ratio, bits)
      : undefined;
    return bytesTensor(weight, quantizeRowsToFewBits(values, rows, dim, bits, search));
  });
}

/** A float weight [rows, dim] as uint8 rows [rows, dim / 2 + 4]: two integers a byte, float16 scale, float16 bias. */
export const embeddingBag4bitPrepack = fewBitsPrepack(4);
/** A float weight [rows, dim] as uint8 rows [rows, dim / 4 + 4]: four integers a byte, float16 scale, float16 bias. */
export const embeddingBag2bitPrepack = fewBitsPrepack(2);

function tableOf(op: string, bytes: Tensor, bits: RowBits): EmbeddingRows {
  check(bytes.dtype === uint8, () => `${op}: weight must be a uint8 tensor of packed rows, got ${bytes.dtype.name}`);
  check(bytes.ndim >= 2, () => `${op}: weight must have at least 2 dimensions, got ${formatShape(bytes.shape)}`);
  const width = bytes.shape[bytes.ndim - 1];
  return readRows(bits, bytes.numel() / width, width, bytes.elements() as Uint8Array);
}

function unpack(name: string, op: string, bits: RowBits) {
  return quantizedOperator(name, (weight: Tensor): Tensor => {
    const table = tableOf(op, weight, bits);
    const out = new Float32Array(table.rows * table.dim);
    for (let row = 0; row < table.rows; row++) dequantizeRow(table, row, out, row * table.dim);
    return Tensor.fromArray(out, [...weight.shape.slice(0, -1), table.dim], float32);
  });
}

/** The float weight that packed 8-bit rows stand for. */
export const embeddingBagByteUnpack = unpack("embeddingBagByteUnpack", "embedding_bag_byte_unpack", 8);
export const embeddingBag4bitUnpack = unpack("embeddingBag4bitUnpack", "embedding_bag_4bit_unpack", 4);
export const embeddingBag2bitUnpack = unpack("embeddingBag2bitUnpack", "embedding_bag_2bit_unpack", 2);

// ---------------------------------------------------------------- look-ups

function checkIndices(op: string, indices: Tensor): void {
  if (indices.dtype !== int32 && indices.dtype !== int64) {
    throw new OctetError(`${op}: Expect 32 or 64 bit indices, but found ${indices.dtype.name} instead.`);
  }
  if (indices.ndim !== 1 && indices.ndim !== 2) {
    throw new OctetError(`qembedding/qembedding_bag operator supports 1 or 2d indices, got ${indices.ndim}`);
  }
}

function checkRow(op: string, index: number, rows: number): void {
  check(
    index >= 0 && index < rows,
    () => `${op}: Invalid indices data: index ${index} is out of range for ${rows} rows`,
  );
}

function checkBits(op: string, { table }: EmbeddingPackedParams, bits: RowBits): EmbeddingRows {
  check(table.bits === bits, () => `${op}: weight must be packed with ${bits} bits, got ${table.bits}`);
  return table;
}

function embedding(name: string, op: string, bits: RowBits) {
  return quantizedOperator(name, (packed: EmbeddingPackedParams, indices: Tensor): Tensor => {
    const table = checkBits(op, packed, bits);
    checkIndices(op, indices);
    const source = indices.elements();
    const out = new Float32Array(source.length * table.dim);
    for (let i = 0; i < source.length; i++) {
      checkRow(op, source[i], table.rows);
      addRow(table, source[i], 1, out, i * table.dim);
    }
    return Tensor.fromArray(out, [...indices.shape, table.dim], float32);
  });
}

/** The rows of an 8-bit weight at integer `indices` [n] or [n, m], in float32. */
export const embeddingByte = embedding("embeddingByte", "embedding_byte", 8);
/** The rows of a 4-bit weight at integer `indices` [n] or [n, m], in float32. */
export const embedding4bit = embedding("embedding4bit", "embedding_4bit", 4);

export interface QuantizedEmbeddingBagOptions {
  /** Only sums are supported. */
  readonly mode?: "sum";
  /** float32 factor for each index. */
  readonly perSampleWeights?: Tensor | null;
  /** `offsets` holds the end of the last bag too. Default false. */
  readonly includeLastOffset?: boolean;
  /** For weights without the rows that pruning removed: index → row, or −1 for a removed row, which counts as zeros. */
  readonly compressedIndicesMapping?: Tensor | null;
}

function sumBags(
  op: string,
  table: EmbeddingRows,
  indices: Tensor,
  offsets: Tensor | null,
  options: QuantizedEmbeddingBagOptions,
): Tensor {
  const { mode = "sum", includeLastOffset = false, compressedIndicesMapping = null } = options;
  check(mode === "sum", () => `${op}: only mode "sum" is supported, got "${String(mode)}"`);
  checkIndices(op, indices);
  if (indices.ndim === 1 && !offsets) throw new OctetError(`${op} expects offsets to be set for 1D indices.`);
  const bags = bagGeometry(indices.shape, indices.elements(), offsets && offsets.elements(), {
    includeLastOffset,
    paddingIdx: -1,
  });
  const weights = sampleWeights(op, options.perSampleWeights ?? null, indices);
  const rowOf = compressedIndicesMapping?.elements() ?? null;
  const out = new Float32Array(bags.count * table.dim);
  for (let bag = 0; bag < bags.count; bag++) {
    for (let i = bags.starts[bag]; i < bags.starts[bag + 1]; i++) {
      const index = bags.indices[i];
      if (rowOf) checkRow(op, index, rowOf.length);
      const row = rowOf ? rowOf[index] : index;
      if (rowOf && row === -1) continue;
      checkRow(op, row, table.rows);
      addRow(table, row, weights ? weights[i] : 1, out, bag * table.dim);
    }
  }
  return Tensor.fromArray(out, [bags.count, table.dim], float32);
}

function sampleWeights(op: string, weights: Tensor | null, indices: Tensor): Float32Array | null {
  if (!weights) return null;
  check(weights.dtype === float32, () => `${op}: perSampleWeights must be float32, got ${weights.dtype.name}`);
  check(
    weights.numel() === indices.numel(),
    () => `${op}: perSampleWeights must have ${indices.numel()} elements, got ${weights.numel()}`,
  );
  return weights.elements() as Float32Array;
}

function embeddingBag(name: string, op: string, bits: RowBits) {
  return quantizedOperator(
    name,
    (
      packed: EmbeddingPackedParams,
      indices: Tensor,
      offsets: Tensor | null = null,
      options: QuantizedEmbeddingBagOptions = {},
    ): Tensor => sumBags(op, checkBits(op, packed, bits), indices, offsets, options),
  );
}

/**
 * Sums of bags of rows of an 8-bit weight: [bags, dim] in float32. 2-d `indices` [bags, n] need no offsets; 1-d ones take
 * `offsets`, the position at which each bag starts.
 */
export const embeddingBagByte = embeddingBag("embeddingBagByte", "embedding_bag_byte", 8);
/** {@link embeddingBagByte} for a 4-bit weight. */
export const embeddingBag4bit = embeddingBag("embeddingBag4bit", "embedding_bag_4bit", 4);

function rowwiseOffsets(name: string, op: string, bits: RowBits) {
  return quantizedOperator(
    name,
    (
      weight: Tensor,
      indices: Tensor,
      offsets: Tensor | null = null,
      options: QuantizedEmbeddingBagOptions = {},
    ): Tensor => sumBags(op, tableOf(op, weight, bits), indices, offsets, options),
  );
}

/** {@link embeddingBagByte} on uint8 rows of {@link embeddingBagBytePrepack}. */
export const embeddingBagByteRowwiseOffsets = rowwiseOffsets(
  "embeddingBagByteRowwiseOffsets",
  "embedding_bag_byte_rowwise_offsets",
  8,
);
export const embeddingBag4bitRowwiseOffsets = rowwiseOffsets(
  "embeddingBag4bitRowwiseOffsets",
  "embedding_bag_4bit_rowwise_offsets",
  4,
);
export const embeddingBag2bitRowwiseOffsets = rowwiseOffsets(
  "embeddingBag2bitRowwiseOffsets",
  "embedding_bag_2bit_rowwise_offsets",
  2,
);

/**
 * The range [xmax, xmin] of the first `numel` values that a 2- or 4-bit quantization should cover, found by a greedy search
 * (`torch.choose_qparams_optimized`).
 */
export const chooseQparamsOptimized = nondifferentiable(
  "chooseQparamsOptimized",
  (input: Tensor, numel: number, nBins: number, ratio: number, bitWidth: 2 | 4): [xmax: Tensor, xmin: Tensor] => {
    check(
      numel >= 0 && numel <= input.numel(),
      () => `numel ${numel} is out of the bound of input tensor of ${input.numel()} elements`,
    );
    const values = (floatElements(input, float32) as Float32Array).subarray(0, numel);
    const { min, max } = optimizedRange(values, nBins, ratio, bitWidth);
    return [Tensor.fromArray(Float32Array.of(max), [1], float32), Tensor.fromArray(Float32Array.of(min), [1], float32)];
  },
);
