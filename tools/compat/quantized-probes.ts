/**
 * Tries the documented methods of quantized tensors on one: that a method exists says only that it serves float tensors.
 * Whether its results are right is what the tests are for.
 */
import { float32, quint8 } from "../../src/core/dtype.ts";
import "../../src/ops/methods.ts";
import { quantizePerChannel, quantizePerTensor } from "../../src/ops/quantize.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

/** Arguments to try a method with, on a tensor of shape [2, 3]; `channels` asks for one with qparams for each row. */
interface Probe {
  readonly args: (like: () => Tensor) => readonly unknown[];
  readonly channels?: boolean;
}

const none: Probe = { args: () => [] };
const other: Probe = { args: (like) => [like()] };

/** Octet's method -> what to call it with. */
const probes: Readonly<Record<string, Probe>> = {
  view: { args: () => [3, 2] },
  asStrided: { args: () => [[2], [1]] },
  expand: { args: () => [2, 2, 3] },
  flatten: none,
  select: { args: () => [0, 1] },
  ne: other,
  eq: other,
  ge: other,
  le: other,
  gt: other,
  lt: other,
  copy_: other,
  clone: none,
  dequantize: none,
  equal: other,
  intRepr: none,
  max: none,
  mean: none,
  min: none,
  qScale: none,
  qZeroPoint: none,
  qPerChannelScales: { ...none, channels: true },
  qPerChannelZeroPoints: { ...none, channels: true },
  qPerChannelAxis: { ...none, channels: true },
  resize_: { args: () => [3, 2] },
  sort: none,
  topk: { args: () => [2] },
};

/** What is wrong with `method` on a quantized tensor, or null. */
export function quantizedProblem(method: string): string | null {
  const probe = probes[method];
  if (!probe) return "not tried on quantized tensors: tools/compat/quantized-probes.ts does not know it";
  const tensor = probe.channels ? perChannel() : perTensor();
  try {
    (tensor as unknown as Record<string, (...args: readonly unknown[]) => unknown>)[method](...probe.args(perTensor));
    return null;
  } catch (error) {
    const { message } = error as Error;
    return message.includes("has no quantized form")
      ? "not for quantized tensors"
      : `fails on quantized tensors: ${message}`;
  }
}

function perTensor(): Tensor {
  return quantizePerTensor(floats(), 0.1, 10, quint8);
}

function perChannel(): Tensor {
  return quantizePerChannel(floats(), vector(0.1, 0.2), vector(1, 2), 0, quint8);
}

function floats(): Tensor {
  return Tensor.fromArray(Float32Array.of(-1, 2, 0.5, 3, -0.25, 1), [2, 3], float32);
}

function vector(...values: readonly number[]): Tensor {
  return Tensor.fromArray(Float32Array.from(values), [values.length], float32);
}
