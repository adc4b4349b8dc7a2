/**
 * Initial values for weights (`torch.nn.init`). Every function overwrites its tensor, outside autograd, and returns it.
 * With the same seed (`manualSeed`) the values are those that PyTorch draws on the CPU.
 */
import { noGrad } from "../autograd/grad-mode.ts";
import { float32, float64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import { defaultGenerator, fillNormal } from "../core/rng.ts";
import { numelOf } from "../core/shape.ts";
import { copy_, fill_ } from "../ops/copy.ts";
import { normal_ as drawNormal, uniform_ as drawUniform } from "../ops/random.ts";
import { convertArray } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface GeneratorOption {
  /** Default: the one that `manualSeed` seeds. */
  readonly generator?: Generator;
}

/** Names as PyTorch spells them. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "conv_transpose1d"
  | "conv_transpose2d"
  | "conv_transpose3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leaky_relu"
  | "selu";

export type FanMode = "fan_in" | "fan_out";

/**
 * The factor by which weights are scaled so that `nonlinearity` keeps the variance of what passes through. `param` is
 * leaky_relu's negative slope, default 0.01.
 */
export function calculateGain(nonlinearity: Nonlinearity, param: number = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "conv1d":
    case "conv2d":
    case "conv3d":
    case "conv_transpose1d":
    case "conv_transpose2d":
    case "conv_transpose3d":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.sqrt(2);
    case "leaky_relu":
      return Math.sqrt(2 / (1 + param ** 2));
    case "selu":
      return 3 / 4;
    default:
      nonlinearity satisfies never;
      throw new OctetError(`calculateGain: unsupported nonlinearity ${String(nonlinearity)}`);
  }
}

/** How many inputs an output of a layer with this weight sees, and the reverse: channels × the kernel's volume. */
export function calculateFanInAndFanOut(tensor: Tensor): { fanIn: number; fanOut: number } {
  if (tensor.ndim < 2) {
    throw new OctetError(
      `calculateFanInAndFanOut: needs a tensor with at least 2 dimensions, got shape ${formatShape(tensor.shape)}`,
    );
  }
  const volume = numelOf(tensor.shape.slice(2));
  return { fanIn: tensor.shape[1] * volume, fanOut: tensor.shape[0] * volume };
}

let drawing = true;

/**
 * Runs `body`, in which random initial values are not drawn: the weights of modules made there are zeros until they are
 * set. For modules that take over the weights of others; drawing them would take most of the time.
 */
export function withoutInit<T>(body: () => T): T {
  const before = drawing;
  drawing = false;
  try {
    return body();
  } finally {
    drawing = before;
  }
}

// ---------------------------------------------------------------- plain values

/** Uniform in [a, b). */
export function uniform_<T extends Tensor>(tensor: T, a: number = 0, b: number = 1, options: GeneratorOption = {}): T {
  if (drawing) noGrad(() => drawUniform(tensor, a, b, options));
  return tensor;
}

/** Normal with the given mean and standard deviation. */
export function normal_<T extends Tensor>(
  tensor: T,
  mean: number = 0,
  std: number = 1,
  options: GeneratorOption = {},
): T {
  if (drawing) noGrad(() => drawNormal(tensor, mean, std, options));
  return tensor;
}

export function constant_<T extends Tensor>(tensor: T, value: number): T {
  noGrad(() => fill_(tensor, value));
  return tensor;
}

export function ones_<T extends Tensor>(tensor: T): T {
  return constant_(tensor, 1);
}

export function zeros_<T extends Tensor>(tensor: T): T {
  return constant_(tensor, 0);
}

/** The identity matrix, for a tensor with two dimensions. */
export function eye_<T extends Tensor>(tensor: T): T {
  if (tensor.ndim !== 2) throw new OctetError(`eye_: needs a 2-D tensor, got shape ${formatShape(tensor.shape)}`);
  zeros_(tensor);
  for (let i = 0; i < Math.min(...tensor.shape); i++)
    tensor.writeAt(tensor.offset + i * (tensor.strides[0] + tensor.strides[1]), 1);
  return tensor;
}

/** A convolution weight that passes as many channels as it can through unchanged, in each of `groups` groups. */
export function dirac_<T extends Tensor>(tensor: T, groups: number = 1): T {
  if (tensor.ndim < 3 || tensor.ndim > 5) {
    throw new OctetError(`dirac_: needs a tensor with 3, 4 or 5 dimensions, got shape ${formatShape(tensor.shape)}`);
  }
  const [out, perGroup, ...kernel] = tensor.shape;
  if (out % groups !== 0)
    throw new OctetError(`dirac_: ${out} output channels are not divisible into ${groups} groups`);
  zeros_(tensor);
  const center = kernel.reduce((at, size, d) => at + Math.floor(size / 2) * tensor.strides[d + 2], tensor.offset);
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < Math.min(out / groups, perGroup); i++) {
      tensor.writeAt(center + (group * (out / groups) + i) * tensor.strides[0] + i * tensor.strides[1], 1);
    }
  }
  return tensor;
}

// ---------------------------------------------------------------- values that keep variances

/** Uniform, with variance 2 / (fan in + fan out) · gain² (Glorot and Bengio 2010). */
export function xavierUniform_<T extends Tensor>(tensor: T, gain: number = 1, options: GeneratorOption = {}): T {
  const bound = Math.sqrt(3) * xavierDeviation(tensor, gain);
  return uniform_(tensor, -bound, bound, options);
}

/** Normal, with variance 2 / (fan in + fan out) · gain² (Glorot and Bengio 2010). */
export function xavierNormal_<T extends Tensor>(tensor: T, gain: number = 1, options: GeneratorOption = {}): T {
  return normal_(tensor, 0, xavierDeviation(tensor, gain), options);
}

function xavierDeviation(tensor: Tensor, gain: number): number {
  const { fanIn, fanOut } = calculateFanInAndFanOut(tensor);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

export interface KaimingOptions extends GeneratorOption {
  /** Negative slope of the leaky ReLU that follows, default 0. */
  readonly a?: number;
  /** Keeps the variance of the forward pass ("fan_in", default) or of the gradients ("fan_out"). */
  readonly mode?: FanMode;
  /** What follows the layer, default "leaky_relu". */
  readonly nonlinearity?: Nonlinearity;
}

/** Uniform, with variance gain² / fan (He et al. 2015). */
export function kaimingUniform_<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
  const bound = Math.sqrt(3) * kaimingDeviation(tensor, options);
  return uniform_(tensor, -bound, bound, options);
}

/** Normal, with variance gain² / fan (He et al. 2015). */
export function kaimingNormal_<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
  return normal_(tensor, 0, kaimingDeviation(tensor, options), options);
}

function kaimingDeviation(tensor: Tensor, options: KaimingOptions): number {
  const { a = 0, mode = "fan_in", nonlinearity = "leaky_relu" } = options;
  const { fanIn, fanOut } = calculateFanInAndFanOut(tensor);
  const fan = mode === "fan_in" ? fanIn : fanOut;
  return calculateGain(nonlinearity, a) / Math.sqrt(fan);
}

/**
 * A (semi-)orthogonal matrix times `gain` (Saxe et al. 2013); dimensions after the first count as one. It is the Q of a
 * random normal matrix's QR decomposition, with the signs that make R's diagonal positive, which makes it unique.
 */
export function orthogonal_<T extends Tensor>(tensor: T, gain: number = 1, options: GeneratorOption = {}): T {
  if (tensor.ndim < 2) {
    throw new OctetError(
      `orthogonal_: needs a tensor with at least 2 dimensions, got shape ${formatShape(tensor.shape)}`,
    );
  }
  const rows = tensor.shape[0];
  const columns = tensor.numel() / Math.max(rows, 1);
  const drawn = (tensor.dtype === float64 ? float64 : float32).allocate(rows * columns) as Float32Array | Float64Array;
  fillNormal(drawn, options.generator ?? defaultGenerator());
  // The vectors to make orthonormal: the columns of a tall matrix, the rows of a wide one.
  const tall = rows >= columns;
  const vectors = Array.from({ length: Math.min(rows, columns) }, (_, v) =>
    Float64Array.from(
      { length: Math.max(rows, columns) },
      (_unused, e) => drawn[tall ? e * columns + v : v * columns + e],
    ),
  );
  orthonormalize(vectors);
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return gain * (tall ? vectors[column][row] : vectors[row][column]);
  });
  const flat = convertArray(values, float64, tensor.dtype);
  const source = Tensor.fromArray(flat, tensor.shape, tensor.dtype);
  noGrad(() => copy_(tensor, source));
  return tensor;
}

/** Gram–Schmidt, in place; every projection is taken off twice, so that rounding errors do not add up. */
function orthonormalize(vectors: readonly Float64Array[]): void {
  vectors.forEach((vector, v) => {
    for (let pass = 0; pass < 2; pass++) {
      for (const done of vectors.slice(0, v)) {
        const along = innerProduct(vector, done);
        for (let e = 0; e < vector.length; e++) vector[e] -= along * done[e];
      }
    }
    const length = Math.sqrt(innerProduct(vector, vector));
    for (let e = 0; e < vector.length; e++) vector[e] /= length;
  });
}

function innerProduct(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let e = 0; e < a.length; e++) sum += a[e] * b[e];
  return sum;
}
