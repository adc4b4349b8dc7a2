/**
 * Quantized values in ONNX: how a grid of Octet's is written for a target, constants as integers with their scales, and
 * biases on the grid of their products.
 */
import type { DType } from "../core/dtype.ts";
import { float32, int32, int8, qint32, qint8, quint8, uint8 } from "../core/dtype.ts";
import { isPerTensor } from "../core/qparams.ts";
import { roundHalfEven } from "../core/rounding.ts";
import { quantizerOf } from "../ops/quantize.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Attributes, ValueId } from "./export-builder.ts";
import type { CallContext } from "./export-context.ts";
import { smallTensor } from "./export-context.ts";
import type { Grid, QuantizedValue, TensorValue } from "./export-value.ts";

const types = new Map<DType, Grid["type"]>([
  [quint8, "uint8"],
  [qint8, "int8"],
  [qint32, "int32"],
]);
const dtypes: Readonly<Record<Grid["type"], DType>> = { uint8, int8, int32 };

/** The grid of an activation as the target takes it. Signed and unsigned integers differ by 128, which changes no value. */
export function activationGrid(c: CallContext, scale: number, zeroPoint: number, dtype: DType): Grid {
  const type = types.get(dtype);
  c.require(type, `activations of ${dtype.name} have no form in ONNX`);
  const grid: Grid = { type, scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: null };
  const { activations, symmetric } = c.builder.target;
  const wanted = activations === "either" || type === "int32" ? type : activations;
  const shift = wanted === type ? 0 : wanted === "int8" ? -128 : 128;
  const shifted = { ...grid, type: wanted, zeroPoints: [zeroPoint + shift] };
  return symmetric && shifted.zeroPoints[0] !== 0 ? symmetricGrid(c, shifted) : shifted;
}

/** The finest grid around 0 that has the same range. */
function symmetricGrid(c: CallContext, grid: Grid): Grid {
  const [zeroPoint] = grid.zeroPoints;
  const reach = grid.scales[0] * Math.max(zeroPoint + 128, 127 - zeroPoint);
  const scale = Math.fround(reach / 127);
  c.builder.note(
    `${c.origin.name}: the target has no zero points; its scale became ${scale} instead of ${grid.scales[0]}`,
  );
  return { ...grid, type: "int8", scales: [scale], zeroPoints: [0] };
}

/** Scale and zero point as initializers. */
export function gridConstants(c: CallContext, grid: Grid, path: string): { scale: ValueId; zeroPoint: ValueId } {
  const shape = grid.axis === null ? [] : [grid.scales.length];
  const key = `${path} ${grid.type} ${shape.join()} ${grid.scales.join()} ${grid.zeroPoints.join()}`;
  const constant = (what: string, values: readonly number[], dtype: DType): ValueId =>
    c.builder.constant(`${what} ${key}`, `${path}_${what}`, () => smallTensor(values, shape, dtype));
  return {
    scale: constant("scale", grid.scales, float32),
    zeroPoint: constant("zero_point", grid.zeroPoints, dtypes[grid.type]),
  };
}

/** QuantizeLinear. */
export function quantize(c: CallContext, x: TensorValue, grid: Grid, path: string): QuantizedValue {
  const constants = gridConstants(c, grid, path);
  const { id } = c.node("QuantizeLinear", [x, constants.scale, constants.zeroPoint], axisOf(grid));
  c.builder.wish(id!, `${path}_quantized`);
  return quantized(id!, constants, grid, path, x.shape);
}

function axisOf(grid: Grid | null): Attributes {
  return grid === null || grid.axis === null ? {} : { axis: grid.axis };
}

function quantized(
  id: ValueId,
  constants: { scale: ValueId; zeroPoint: ValueId },
  grid: Grid | null,
  path: string,
  shape: readonly number[] | null,
): QuantizedValue {
  return { kind: "quantized", id, ...constants, grid, shape, constant: null, unquantized: null, path };
}

/** An input of the graph that holds integers. */
export function quantizedInput(c: CallContext, id: ValueId, grid: Grid, path: string): QuantizedValue {
  return quantized(id, gridConstants(c, grid, path), grid, path, null);
}

/** DequantizeLinear, or the numbers that were never quantized. */
export function dequantize(c: CallContext, x: QuantizedValue): TensorValue {
  if (x.unquantized) return x.unquantized;
  const made = c.node("DequantizeLinear", [x, x.scale, x.zeroPoint], axisOf(x.grid), float32);
  c.builder.wish(made.id!, `${x.path}_dequantized`);
  return { ...made, shape: x.shape, integers: x };
}

/** DynamicQuantizeLinear: uint8 with the range of each call. */
export function quantizeDynamically(c: CallContext, x: TensorValue, path: string): QuantizedValue {
  const [id, scale, zeroPoint] = c.nodes("DynamicQuantizeLinear", [x], {}, [uint8, float32, uint8]);
  return quantized(id.id!, { scale: scale.id!, zeroPoint: zeroPoint.id! }, null, path, x.shape);
}

/** What stays float for the target is its own quantized form. */
export function leftFloat(c: CallContext, x: TensorValue, path: string): QuantizedValue {
  const id = c.id(x)!;
  return { ...quantized(id, { scale: id, zeroPoint: id }, null, path, x.shape), unquantized: x };
}

// ---------------------------------------------------------------- constants

/** A weight as integers, with whole zero points. */
export interface IntegerWeight {
  /** int8 or uint8. */
  readonly integers: Tensor;
  readonly grid: Grid;
}

/** The parts of a quantized tensor; null for a float one and for float zero points. */
export function integerWeight(weight: Tensor): IntegerWeight | null {
  const type = types.get(weight.dtype);
  if (!weight.isQuantized || !type) return null;
  const quantizer = quantizerOf(weight);
  const integers = Tensor.fromArray(weight.elements(), weight.shape, dtypes[type]);
  if (isPerTensor(quantizer)) {
    const grid = { type, scales: [Math.fround(quantizer.scale)], zeroPoints: [quantizer.zeroPoint], axis: null };
    return { integers, grid };
  }
  const zeroPoints = Array.from(quantizer.zeroPoints);
  if (!zeroPoints.every(Number.isInteger)) return null;
  return {
    integers,
    grid: { type, scales: Array.from(quantizer.scales, Math.fround), zeroPoints, axis: quantizer.axis },
  };
}

/** Integers and their scales as initializers. */
export function storeWeight(c: CallContext, { integers, grid }: IntegerWeight, path: string): QuantizedValue {
  const id = c.builder.constant(`integers ${path}`, `${path}_quantized`, () => integers);
  const { shape } = integers;
  return { ...quantized(id, gridConstants(c, grid, path), grid, path, shape), constant: integers };
}

/** A matrix [rows, columns] the other way round. */
export function transposedWeight({ integers, grid }: IntegerWeight): IntegerWeight {
  const [rows, columns] = integers.shape;
  const source = integers.elements();
  const data = integers.dtype.allocate(source.length);
  for (let r = 0; r < rows; r++) for (let k = 0; k < columns; k++) data[k * rows + r] = source[r * columns + k];
  const axis = grid.axis === null ? null : 1 - grid.axis;
  return { integers: Tensor.fromArray(data, [columns, rows], integers.dtype), grid: { ...grid, axis } };
}

// ---------------------------------------------------------------- bias

const INT32_LIMIT = 2 ** 31;
/** Smaller floats lose precision, and some runtimes take them for 0. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * A product of x and weight with its bias. The bias goes in as int32 on the grid s_x·s_w, so that it can be added to the
 * integers' sums, if both are quantized and the target takes that; else as it is. One that is too large for that grid is added
 * behind the product, because runtimes that find it there quantize it themselves, and overflow.
 */
export function withBias(
  c: CallContext,
  factors: { readonly x: TensorValue; readonly weight: QuantizedValue | null; readonly bias: TensorValue | null },
  /** The sizes with which the bias broadcasts to the product. */
  shape: readonly number[],
  product: (bias: TensorValue | null) => TensorValue,
): TensorValue {
  const { x, weight, bias } = factors;
  const fitting = biasFor(c, bias, x, weight);
  if (fitting !== "too large") return product(fitting);
  return c.node("Add", [product(null), c.reshape(bias, shape)]);
}

function biasFor(
  c: CallContext,
  bias: TensorValue | null,
  x: TensorValue,
  weight: QuantizedValue | null,
): TensorValue | null | "too large" {
  const { target } = c.builder;
  const scale = x.integers?.grid?.scales[0];
  if (!bias?.constant || !weight?.grid || scale === undefined || target.bias === "float") return bias;
  const { path, tensor } = bias.constant;
  const values = Array.from(tensor.toNumbers());
  const scales = weight.grid.scales.map((own) => Math.fround(scale * own));
  const integers = values.map((value, i) => roundHalfEven(value / scales[i % scales.length]));
  const fits = (value: number): boolean => value >= -INT32_LIMIT && value < INT32_LIMIT;
  if (scales.some((own) => own < SMALLEST_NORMAL) || !integers.every(fits)) {
    c.builder.note(`${path}: stays float, because as int32 with the scale of the products it would overflow`);
    return "too large";
  }
  const perChannel = weight.grid.axis !== null;
  const grid: Grid = { type: "int32", scales, zeroPoints: scales.map(() => 0), axis: perChannel ? 0 : null };
  // A module that is called twice has a bias for each input's scale.
  const key = `${path} ${scales.join()}`;
  const id = c.builder.constant(`bias ${key}`, `${path}_quantized`, () =>
    Tensor.fromArray(Int32Array.from(integers), [values.length], int32),
  );
  const stored = quantized(id, gridConstants(c, grid, path), grid, path, [values.length]);
  return dequantize(c, stored);
}
