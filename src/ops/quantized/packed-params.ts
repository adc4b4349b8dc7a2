/** Weights of quantized linears and convolutions in the form that kernels take, made once and shared by every call. */
import type { Engine } from "../../core/engine.ts";
import { engineFor } from "../../core/engine.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { isPerTensor } from "../../core/qparams.ts";
import type { Epilogue, EpilogueActivation } from "../../core/requantize.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import { float32 } from "../../core/dtype.ts";
import { numelOf } from "../../core/shape.ts";
import type { ByteArray, Int8Input, Int8Weights } from "../../kernels/quantized-kernels.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { perTensorOf, quantizerOf } from "../quantize.ts";
import { checkQuantized } from "./operator.ts";

/** An engine that has operators. */
export type PackingEngine = Exclude<Engine, "none">;

/** A quantized weight [rows, …] with its float bias [rows], as `torch.ops.quantized.linear_prepack` makes. */
export interface PackedParams {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  /** The engine under which the weight was packed: its arithmetic is used, whatever the engine is later. */
  readonly engine: PackingEngine;
  readonly int8: Int8Weights;
  /** float32 scale of each row. */
  readonly scales: Float32Array;
}

/** Packs a quantized weight whose first dimension is the output channels. `operation` is PyTorch's name. */
export function packParams(operation: string, weight: Tensor, bias: Tensor | null): PackedParams {
  const engine = engineFor(operation);
  const op = `quantized::${operation}`;
  if (!weight.isQuantized) {
    throw new OctetError(
      `Could not run '${op}' with arguments from the 'CPU' backend: weight must be a quantized tensor, got ${weight.dtype.name}`,
    );
  }
  const quantizer = quantizerOf(weight);
  const rows = weight.shape[0];
  if (weight.dtype.bits !== 8) throw new OctetError(`${op}: weight must be qint8 or quint8, got ${weight.dtype.name}`);
  if (bias && (bias.dtype !== float32 || bias.ndim !== 1 || bias.shape[0] !== rows)) {
    throw new OctetError(
      `${op}: bias should be a float32 vector of ${rows} elements, got ${bias.dtype.name} ${formatShape(bias.shape)}`,
    );
  }
  if (!isPerTensor(quantizer) && quantizer.axis !== 0) {
    throw new OctetError(`${op}: per-channel weights must be quantized along axis 0, got axis ${quantizer.axis}`);
  }
  const perRow = (value: (row: number) => number) => Array.from({ length: rows }, (_, row) => value(row));
  const scales = perRow((row) => (isPerTensor(quantizer) ? quantizer.scale : quantizer.scales[row]));
  const zeroPoints = perRow((row) => (isPerTensor(quantizer) ? quantizer.zeroPoint : quantizer.zeroPoints[row]));
  const int8: Int8Weights = Object.freeze({
    data: weight.elements() as ByteArray,
    rows,
    depth: numelOf(weight.shape.slice(1)),
    zeroPoints: Int32Array.from(zeroPoints),
  });
  return Object.freeze({ weight, bias, engine, int8, scales: Float32Array.from(scales) });
}

/** What a static quantized operator writes. */
export interface OutputQparams {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly qmin: number;
  readonly qmax: number;
}

/**
 * The epilogue from an input's scale to the output's grid. Engine qnnpack rounds the bias to an integer, the others add it
 * as a float. A fused ReLU cuts at the zero point.
 */
export function staticEpilogue(
  inputScale: number,
  packed: PackedParams,
  output: OutputQparams,
  options: { relu?: boolean; activation?: EpilogueActivation } = {},
): Epilogue {
  const { scale, zeroPoint, qmax } = output;
  const qmin = options.relu ? Math.max(output.qmin, zeroPoint) : output.qmin;
  const products = packed.scales.map((s) => Math.fround(Math.fround(inputScale) * s));
  const bias = packed.bias ? (packed.bias.elements() as Float32Array) : null;
  if (packed.engine !== "qnnpack") {
    const inverseOutScale = Math.fround(1 / Math.fround(scale));
    const activation = options.activation ?? "none";
    return { kind: "floatBias", scales: products, bias, inverseOutScale, activation, zeroPoint, qmin, qmax };
  }
  const multipliers = products.map((s) => Math.fround(s / Math.fround(scale)));
  const intBias = bias && Int32Array.from(bias, (b, row) => roundHalfEven(Math.fround(b / products[row])));
  return { kind: "intBias", multipliers, bias: intBias, zeroPoint, qmin, qmax };
}

/** The epilogue to float32 of dynamic operators. */
export function dynamicEpilogue(inputScale: number, packed: PackedParams, relu: boolean): Epilogue {
  const scales = packed.scales.map((s) => Math.fround(inputScale * s));
  const bias = packed.bias ? (packed.bias.elements() as Float32Array) : null;
  return { kind: "dequantize", scales, bias, fused: packed.engine !== "qnnpack", relu };
}

/** A quantized activation for a kernel; `op` must be given a quantized tensor. */
export function int8Input(op: string, x: Tensor): Int8Input & { readonly scale: number } {
  checkQuantized(op, x);
  const { scale, zeroPoint } = perTensorOf(x);
  if (x.dtype.bits !== 8) throw new OctetError(`quantized::${op}: input must be quint8 or qint8, got ${x.dtype.name}`);
  return { data: x.elements() as ByteArray, zeroPoint, scale };
}
