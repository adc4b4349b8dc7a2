/**
 * Quantized tensors in safetensors files, which know only plain ones. A quantized tensor `w` is stored as
 *
 * - `w`: its integers, as I8, U8 or I32 in the tensor's own shape; types below eight bits as packed bytes (U8, flat, the
 *   first value in the low bits), with their shape in the description;
 * - a description in the file's metadata, under {@link QUANTIZED}: a JSON object from names to
 *   `{"dtype":"qint8","qscheme":"per_tensor_affine","scale":0.02,"zero_point":0}`, or
 *   `{"dtype":"qint8","qscheme":"per_channel_affine","axis":0}`;
 * - for channels `w.q_scales` (F32 where that loses nothing, else F64) and `w.q_zero_points` (I64; F32 for float qparams),
 *   which is left out where all are 0.
 *
 * So every reader sees the integers, and a reader that knows the description gets the quantized tensor back, exactly.
 */
import type { DType } from "../core/dtype.ts";
import { float32, float64, int64, qint32, qint8, quint2x4, quint4x2, quint8 } from "../core/dtype.ts";
import { FileFormatError, OctetError, formatShape } from "../core/errors.ts";
import type { PerChannelQuantizer, Quantizer } from "../core/qparams.ts";
import { isPerTensor, perChannelAffine, perChannelAffineFloatQparams, perTensorAffine } from "../core/qparams.ts";
import { MAX_ELEMENTS } from "../core/shape.ts";
import { fromIntegers, intRepr } from "../ops/quantize.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkedNumel, elementTypeOf } from "../core/element-types.ts";
import { isJsonObject, parseJson } from "./json.ts";
import type { StoredQparams } from "./quantized-tensors.ts";
import { checkedQuantizer, storedLength, storedTypeOf, unpackIntegers } from "./quantized-tensors.ts";

/** The metadata key of the descriptions. */
export const QUANTIZED = "octet.quantized";
export const SCALES = ".q_scales";
const ZERO_POINTS = ".q_zero_points";

const dtypes: ReadonlyMap<unknown, DType> = new Map(
  [qint8, quint8, qint32, quint4x2, quint2x4].map((dtype) => [dtype.name, dtype]),
);

/** Plain tensors in the place of quantized ones, and their descriptions as JSON; null if there is nothing to describe. */
export function splitQuantized(tensors: ReadonlyMap<string, Tensor>): {
  plain: ReadonlyMap<string, Tensor>;
  description: string | null;
} {
  const plain = new Map<string, Tensor>();
  const descriptions = new Map<string, unknown>();
  for (const [name, tensor] of tensors) {
    const { quantizer } = tensor;
    plain.set(name, quantizer ? intRepr(tensor) : tensor);
    if (!quantizer) continue;
    descriptions.set(name, describe(name, tensor, quantizer));
    for (const [suffix, qparams] of siblings(quantizer)) {
      const sibling = name + suffix;
      if (tensors.has(sibling)) {
        throw new OctetError(
          `saveSafetensors: tensor ${quote(sibling)} has the name that the qparams of ${quote(name)} need`,
        );
      }
      plain.set(sibling, qparams);
    }
  }
  if (!descriptions.size) return { plain, description: null };
  // Sorted, so that the same tensors give the same file.
  const sorted = [...descriptions].sort(([a], [b]) => (a < b ? -1 : 1));
  return { plain, description: JSON.stringify(Object.fromEntries(sorted)) };
}

function quote(name: string): string {
  return JSON.stringify(name);
}

function describe(name: string, { dtype, shape }: Tensor, quantizer: Quantizer): unknown {
  const size = dtype.bits < 8 ? { shape } : {};
  const common = { dtype: dtype.name, ...size, qscheme: quantizer.qscheme.name };
  if (!isPerTensor(quantizer)) return { ...common, axis: quantizer.axis };
  const { scale, zeroPoint } = quantizer;
  if (!Number.isFinite(scale)) {
    throw new OctetError(`saveSafetensors: tensor ${quote(name)} has scale ${scale}, which cannot be stored`);
  }
  return { ...common, scale, zero_point: zeroPoint };
}

function siblings(quantizer: Quantizer): [string, Tensor][] {
  if (isPerTensor(quantizer)) return [];
  const { scales, zeroPoints } = quantizer;
  const short = scales.every((scale) => Object.is(Math.fround(scale), scale));
  const vector = (values: PerChannelQuantizer["scales"], dtype: DType) => {
    const data = dtype.allocate(values.length);
    data.set(values);
    return Tensor.fromArray(data, [values.length], dtype);
  };
  const zeroDtype = quantizer.qscheme === perChannelAffineFloatQparams ? float32 : int64;
  const zeros = zeroPoints.every((zeroPoint) => Object.is(zeroPoint, 0));
  return [
    [SCALES, vector(scales, short ? float32 : float64)],
    ...(zeros ? [] : [[ZERO_POINTS, vector(zeroPoints, zeroDtype)] satisfies [string, Tensor]]),
  ];
}

// ---------------------------------------------------------------- reading

function fail(message: string): never {
  throw new FileFormatError(`safetensors: ${message}`);
}

/** The tensors of a file with the quantized ones put together again, as `description` tells. */
export function joinQuantized(plain: ReadonlyMap<string, Tensor>, description: string): Map<string, Tensor> {
  const parsed = parseJson(new TextEncoder().encode(description), `safetensors: the metadata ${QUANTIZED}`);
  if (!isJsonObject(parsed)) fail(`the metadata ${QUANTIZED} is not an object`);
  const joined = new Map<string, Tensor>();
  const used = new Set<string>();
  const descriptions = new Map(Object.entries(parsed));
  for (const [name, info] of descriptions) {
    joined.set(name, joinOne(name, info, plain));
    for (const suffix of [SCALES, ZERO_POINTS]) used.add(name + suffix);
  }
  const rest = [...plain].filter(([name]) => joined.has(name) || !used.has(name));
  return new Map(rest.map(([name, tensor]) => [name, joined.get(name) ?? tensor]));
}

function joinOne(name: string, info: unknown, plain: ReadonlyMap<string, Tensor>): Tensor {
  const where = `tensor ${quote(name)}`;
  const stored = plain.get(name);
  if (!stored) fail(`the metadata ${QUANTIZED} describes ${where}, which is not there`);
  if (!isJsonObject(info)) fail(`the metadata ${QUANTIZED} describes ${where} by something else than an object`);
  const dtype = dtypes.get(info.dtype);
  if (!dtype) fail(`${where} has the quantized dtype ${JSON.stringify(info.dtype)}, which is not supported`);
  const type = storedTypeOf(dtype);
  if (elementTypeOf(stored.dtype) !== type) {
    fail(`${where} of dtype ${dtype.name} is stored as ${elementTypeOf(stored.dtype).name}, not as ${type.name}`);
  }
  const shape = dtype.bits < 8 ? packedShape(where, info.shape, dtype, stored) : stored.shape;
  const qparams = storedQparams(where, name, info, plain);
  const quantizer = checkedQuantizer(`safetensors: ${where}`, dtype, shape, qparams);
  const count = shape.reduce((n, size) => n * size, 1);
  return fromIntegers(unpackIntegers(dtype, stored.elements(), count), shape, dtype, quantizer);
}

/** The shape of a tensor whose bytes hold several values each; it says how much is allocated, so the bytes must fit it. */
function packedShape(where: string, shape: unknown, dtype: DType, stored: Tensor): readonly number[] {
  const numel = Array.isArray(shape) ? checkedNumel(shape) : null;
  if (numel === null || numel > MAX_ELEMENTS) fail(`${where} of dtype ${dtype.name} has no valid shape`);
  if (stored.ndim !== 1 || stored.numel() !== storedLength(dtype, numel)) {
    fail(
      `${where} of dtype ${dtype.name} and shape ${formatShape(shape as number[])} is not stored in ` +
        `${formatShape(stored.shape)} bytes`,
    );
  }
  return shape as number[];
}

function storedQparams(
  where: string,
  name: string,
  info: Record<string, unknown>,
  plain: ReadonlyMap<string, Tensor>,
): StoredQparams {
  const { qscheme, scale, zero_point: zeroPoint, axis } = info;
  if (qscheme === perTensorAffine.name) return { scheme: "per_tensor", scale, zeroPoint };
  const floatQparams = qscheme === perChannelAffineFloatQparams.name;
  if (!floatQparams && qscheme !== perChannelAffine.name) {
    fail(`${where} has the qscheme ${JSON.stringify(qscheme)}, which is not supported`);
  }
  const scales = vectorOf(`${name}${SCALES}`, plain, [float32, float64]);
  if (!scales) fail(`${where} lacks the tensor of its scales`);
  const zeroPoints = vectorOf(`${name}${ZERO_POINTS}`, plain, [floatQparams ? float32 : int64]);
  return {
    scheme: "per_channel",
    scales,
    zeroPoints: zeroPoints ?? new Float32Array(scales.length),
    axis,
    floatQparams,
  };
}

function vectorOf(name: string, plain: ReadonlyMap<string, Tensor>, allowed: readonly DType[]) {
  const tensor = plain.get(name);
  if (!tensor) return null;
  if (tensor.ndim !== 1 || !allowed.includes(tensor.dtype)) {
    fail(`tensor ${quote(name)} holds no qparams: it is ${tensor.dtype.name} of shape ${formatShape(tensor.shape)}`);
  }
  return tensor.elements();
}
