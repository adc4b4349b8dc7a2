/** Random tensors and random fills in place. The same seed gives the numbers that PyTorch gives on the CPU; see core/rng.ts. */
import type { DType, FloatArray } from "../core/dtype.ts";
import { float16, float32, float64, getDefaultDtype, int64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { checkShape, contiguousStrides, numelOf } from "../core/shape.ts";
import type { Shape } from "../core/shape.ts";
import type { Generator } from "../core/rng.ts";
import { defaultGenerator, fillNormal, fillNormalSerially, fillPermutation, fillUniform } from "../core/rng.ts";
import { convertArray, elementsAs, tensorFromComputed } from "../tensor/convert.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CreateOptions, SizeArguments } from "./create.ts";
import { sizesAndOptions, withOptions } from "./create.ts";
import { assertWritable } from "./copy.ts";
import { nondifferentiable } from "./op.ts";

export interface RandomOptions extends CreateOptions {
  /** Default: the one that {@link manualSeed} seeds. */
  readonly generator?: Generator;
}

type GeneratorOption = Pick<RandomOptions, "generator">;

// ---------------------------------------------------------------- new tensors

/** Uniform in [0, 1). */
export function rand(...args: SizeArguments<RandomOptions>): Tensor {
  const { shape, options } = sizesAndOptions("rand", args);
  return withOptions(
    drawn("rand", shape, options, (out, generator) => fillUniform(out, generator)),
    options,
  );
}

/** Normal with mean 0 and variance 1. */
export function randn(...args: SizeArguments<RandomOptions>): Tensor {
  const { shape, options } = sizesAndOptions("randn", args);
  return withOptions(
    drawn("randn", shape, options, (out, generator) => fillNormal(out, generator)),
    options,
  );
}

type Fill = (out: FloatArray, generator: Generator) => void;

function drawn(op: string, shape: Shape, options: RandomOptions, fill: Fill): Tensor {
  const dtype = options.dtype ?? getDefaultDtype();
  const data = floatStorage(op, dtype, numelOf(shape));
  fill(data, options.generator ?? defaultGenerator());
  return tensorFromComputed(data, shape, dtype);
}

function floatStorage(op: string, dtype: DType, length: number): FloatArray {
  if (!dtype.isFloatingPoint) throw new OctetError(`${op}: not implemented for ${dtype.name}; use a float dtype`);
  return dtype === float64 ? new Float64Array(length) : new Float32Array(length);
}

type IntegerArguments =
  | readonly [high: number, shape: Shape, options?: RandomOptions]
  | readonly [low: number, high: number, shape: Shape, options?: RandomOptions];

/** Whole numbers in [low, high); `low` may be left out and is then 0. int64 unless the options say otherwise. */
export function randint(...args: IntegerArguments): Tensor {
  const bounded = typeof args[1] === "number";
  const [low, high] = bounded ? [args[0], args[1] as number] : [0, args[0]];
  const shape = args[bounded ? 2 : 1] as Shape;
  const options = (args[bounded ? 3 : 2] ?? {}) as RandomOptions;
  checkShape("randint", shape);
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low >= high) {
    throw new OctetError(`randint: expects 'from' to be less than 'to', both whole, but got from=${low} >= to=${high}`);
  }
  const generator = options.generator ?? defaultGenerator();
  const values = Float64Array.from({ length: numelOf(shape) }, () => low + generator.below(high - low));
  const dtype = options.dtype ?? int64;
  return withOptions(Tensor.fromArray(convertArray(values, float64, dtype), shape.slice(), dtype), options);
}

/** A random order of 0 … n − 1, int64 unless the options say otherwise. */
export function randperm(n: number, options: RandomOptions = {}): Tensor {
  checkShape("randperm", [n]);
  const order = new Float64Array(n);
  fillPermutation(order, options.generator ?? defaultGenerator());
  const dtype = options.dtype ?? int64;
  return withOptions(Tensor.fromArray(convertArray(order, float64, dtype), [n], dtype), options);
}

/** Uniform in [0, 1), in the shape and dtype of `x`. */
export const randLike = nondifferentiable("randLike", (x: Tensor, options: RandomOptions = {}) =>
  rand(x.shape, { dtype: x.dtype, ...options }),
);

/** Standard normal, in the shape and dtype of `x`. */
export const randnLike = nondifferentiable("randnLike", (x: Tensor, options: RandomOptions = {}) =>
  randn(x.shape, { dtype: x.dtype, ...options }),
);

/** 1 with the probability that stands in `x`, else 0. Its gradient is zero. */
export const bernoulli = nondifferentiable("bernoulli", (x: Tensor, options: GeneratorOption = {}) => {
  const probabilities = elementsAs(x, x.dtype === float64 ? float64 : float32) as FloatArray;
  floatStorage("bernoulli", x.dtype, 0);
  const bad = probabilities.find((p) => !(p >= 0 && p <= 1));
  if (bad !== undefined) throw new OctetError(`bernoulli: expects p_in >= 0 && p_in <= 1, got ${bad}`);
  const draws = probabilities.slice();
  fillUniform(draws, options.generator ?? defaultGenerator());
  for (let i = 0; i < draws.length; i++) draws[i] = draws[i] < probabilities[i] ? 1 : 0;
  return tensorFromComputed(draws, x.shape, x.dtype);
});

// ---------------------------------------------------------------- in place

/** Overwrites `self` with uniforms from [from, to). */
export function uniform_(self: Tensor, from: number = 0, to: number = 1, options: GeneratorOption = {}): Tensor {
  if (!(from <= to))
    throw new OctetError(`uniform_: expects to return a [from, to) range, but found from=${from} > to=${to}`);
  return overwrite("uniform_", self, options, (out, generator) => fillUniform(out, generator, from, to));
}

/** Overwrites `self` with normals of the given mean and standard deviation. */
export function normal_(self: Tensor, mean: number = 0, std: number = 1, options: GeneratorOption = {}): Tensor {
  if (!(std >= 0)) throw new OctetError(`normal_: expects std >= 0.0, but found std ${std}`);
  const fill = self.isContiguous() ? fillNormal : fillNormalSerially;
  return overwrite("normal_", self, options, (out, generator) => fill(out, generator, mean, std));
}

/** Overwrites `self` with samples of the exponential distribution of rate `lambd`. */
export function exponential_(self: Tensor, lambd: number = 1, options: GeneratorOption = {}): Tensor {
  if (!(lambd > 0)) throw new OctetError(`exponential_: expects lambda > 0.0, but found lambda=${lambd}`);
  return overwrite("exponential_", self, options, (out, generator) => {
    for (let i = 0; i < out.length; i++) out[i] = (-1 / lambd) * Math.log1p(-generator.uniform53());
  });
}

/** Overwrites `self` with 1 with probability `p`, else 0. Any dtype. */
export function bernoulli_(self: Tensor, p: number = 0.5, options: GeneratorOption = {}): Tensor {
  if (!(p >= 0 && p <= 1)) throw new OctetError(`bernoulli_: expects p to be in [0, 1], but got p=${p}`);
  const generator = options.generator ?? defaultGenerator();
  const values = Float32Array.from({ length: self.numel() }, () => (generator.uniform53() < p ? 1 : 0));
  return store("bernoulli_", self, values, float32);
}

function overwrite(op: string, self: Tensor, options: GeneratorOption, fill: Fill): Tensor {
  const values = floatStorage(op, self.dtype, self.numel());
  fill(values, options.generator ?? defaultGenerator());
  return store(op, self, values, self.dtype === float16 ? float32 : self.dtype);
}

/** Writes values in the order in which the elements lie in memory, as PyTorch's loops go. */
function store(op: string, self: Tensor, values: FloatArray, dtype: DType): Tensor {
  assertWritable(op, self);
  const order = self.shape.map((_, d) => d).sort((a, b) => self.strides[b] - self.strides[a]);
  const shape = order.map((d) => self.shape[d]);
  const strides = order.map((d) => self.strides[d]);
  const data = convertArray(values, dtype, self.dtype);
  copyStrided(shape, data, contiguousStrides(shape), 0, self.storage.data, strides, self.offset);
  self.bumpVersion();
  return self;
}
