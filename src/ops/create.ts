/** Tensors made from JavaScript values, or filled by a rule. Random ones are in random.ts. */
import type { DType, NumericArray } from "../core/dtype.ts";
import { bool, dtypeOfArray, float32, float64, getDefaultDtype, int64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { checkShape, numelOf } from "../core/shape.ts";
import { convertArray } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { scalarOf } from "./copy.ts";
import { nondifferentiable } from "./op.ts";

export interface CreateOptions {
  /** Default: float32, or what {@link setDefaultDtype} chose, unless the function says otherwise. */
  readonly dtype?: DType;
  /** Default false. */
  readonly requiresGrad?: boolean;
}

/** Sizes one by one or as a list, and options: `zeros(2, 3, { dtype })`, `zeros([2, 3], { dtype })`. */
export type SizeArguments<O = CreateOptions> =
  readonly number[] | readonly [...sizes: number[], options: O] | readonly [shape: Shape, options?: O];

/** Takes {@link SizeArguments} apart and checks the sizes. */
export function sizesAndOptions<O extends object>(
  op: string,
  args: SizeArguments<O>,
): { shape: Shape; options: Partial<O> } {
  const last = args.at(-1);
  const given = typeof last === "object" && !Array.isArray(last);
  const options = given ? (last as O) : {};
  const sizes = given || last === undefined ? args.slice(0, -1) : args;
  const shape = (Array.isArray(sizes[0]) ? sizes[0] : sizes) as Shape;
  checkShape(op, shape);
  return { shape: shape.slice(), options };
}

/** Sets `requiresGrad` where the options ask for it. */
export function withOptions(tensor: Tensor, options: CreateOptions): Tensor {
  if (options.requiresGrad) tensor.requiresGrad = true;
  return tensor;
}

// ---------------------------------------------------------------- from JavaScript values

/** What {@link tensor} accepts: numbers, booleans, bigints, typed arrays, tensors, and arrays of those, nested. */
export type TensorData = number | boolean | bigint | NumericArray | BigInt64Array | Tensor | readonly TensorData[];

/**
 * A tensor with a copy of `data` (`torch.tensor`).
 *
 * The dtype, unless given: JavaScript cannot tell 1.0 from 1, so numbers are floats, always: `tensor([1, 2])` is float32.
 * Pass `{ dtype: int64 }` for class indices and the like. Booleans make bool, bigints int64, typed arrays the dtype of
 * their elements, tensors their own.
 */
export function tensor(data: TensorData, options: CreateOptions = {}): Tensor {
  const shape = shapeOfData(data);
  checkShape("tensor", shape);
  const natural = dtypeOfData(data) ?? getDefaultDtype();
  const dtype = options.dtype ?? natural;
  // Values pass through float64, which holds every element of every dtype exactly.
  const values = new Float64Array(numelOf(shape));
  fillFrom(data, shape, 0, values, 0);
  return withOptions(Tensor.fromArray(convertArray(values, float64, dtype), shape, dtype), options);
}

/** A tensor over `data` itself, without a copy (`torch.from_numpy`); writing to one changes the other. */
export function fromArray(data: NumericArray, shape: Shape = [data.length], options: CreateOptions = {}): Tensor {
  checkShape("fromArray", shape);
  const dtype = options.dtype ?? dtypeOfArray(data);
  if (dtype.allocate(0).constructor !== data.constructor) {
    throw new OctetError(`fromArray: ${dtype.name} elements do not live in a ${data.constructor.name}`);
  }
  return withOptions(Tensor.fromArray(data, shape.slice(), dtype), options);
}

function isTyped(data: TensorData): data is NumericArray | BigInt64Array {
  return ArrayBuffer.isView(data);
}

function shapeOfData(data: TensorData): number[] {
  if (data instanceof Tensor) return data.shape.slice();
  if (isTyped(data)) return [data.length];
  if (!Array.isArray(data)) return [];
  return data.length === 0 ? [0] : [data.length, ...shapeOfData(data[0] as TensorData)];
}

/** The dtype that the first value tells; undefined for numbers and for nothing at all. A number among booleans wins. */
function dtypeOfData(data: TensorData): DType | undefined {
  if (data instanceof Tensor) return data.dtype;
  if (data instanceof BigInt64Array || typeof data === "bigint") return int64;
  if (isTyped(data)) return dtypeOfArray(data);
  if (typeof data === "boolean") return bool;
  if (!Array.isArray(data) || data.length === 0) return undefined;
  const found = (data as readonly TensorData[]).map(dtypeOfData);
  return found.every((dtype) => dtype === found[0]) ? found[0] : undefined;
}

/** Writes the values of `data` to `out` from `at` on; `depth` dimensions of `shape` are already behind. */
function fillFrom(data: TensorData, shape: Shape, depth: number, out: Float64Array, at: number): void {
  const rest = shape.length - depth;
  const found = data instanceof Tensor ? data.ndim : isTyped(data) || Array.isArray(data) ? 1 : 0;
  if (found === 0 ? rest !== 0 : rest === 0) {
    throw new OctetError(
      `tensor: the nesting is uneven: expected ${rest} more dimensions at depth ${depth} for shape ${formatShape(shape)}`,
    );
  }
  if (data instanceof Tensor) {
    if (formatShape(data.shape) !== formatShape(shape.slice(depth))) {
      throw new OctetError(
        `tensor: expected a tensor of shape ${formatShape(shape.slice(depth))} at dim ${depth} (got ${formatShape(data.shape)})`,
      );
    }
    out.set(data.toNumbers(), at);
    return;
  }
  if (!isTyped(data) && !Array.isArray(data)) {
    out[at] = numberFrom(data as number | boolean | bigint);
    return;
  }
  if (data.length !== shape[depth]) {
    throw new OctetError(`tensor: expected sequence of length ${shape[depth]} at dim ${depth} (got ${data.length})`);
  }
  if (isTyped(data) && !(data instanceof BigInt64Array)) {
    out.set(data, at);
    return;
  }
  const step = numelOf(shape.slice(depth + 1));
  data.forEach((item, i) => fillFrom(item as TensorData, shape, depth + 1, out, at + i * step));
}

function numberFrom(value: number | boolean | bigint): number {
  const number = Number(value);
  if (typeof value === "number" || typeof value === "boolean") return number;
  if (!Number.isSafeInteger(number)) {
    throw new OctetError(`tensor: ${value} does not fit int64 storage, which is exact to 2^53 in magnitude`);
  }
  return number;
}

// ---------------------------------------------------------------- filled

/** Zeros. */
export function zeros(...args: SizeArguments): Tensor {
  const { shape, options } = sizesAndOptions("zeros", args);
  return withOptions(Tensor.zeros(shape, options.dtype ?? getDefaultDtype()), options);
}

/** Ones. */
export function ones(...args: SizeArguments): Tensor {
  const { shape, options } = sizesAndOptions("ones", args);
  return full(shape, 1, options);
}

/** Storage to be overwritten; it holds zeros. */
export function empty(...args: SizeArguments): Tensor {
  const { shape, options } = sizesAndOptions("empty", args);
  return zeros(shape, options as CreateOptions);
}

/** Every element is `value`. The default dtype follows {@link tensor}: a number makes floats, a boolean bool. */
export function full(shape: Shape, value: number | boolean, options: CreateOptions = {}): Tensor {
  checkShape("full", shape);
  const dtype = options.dtype ?? (typeof value === "boolean" ? bool : getDefaultDtype());
  const data = dtype.allocate(numelOf(shape)).fill(scalarOf("full", value, dtype).storage.data[0]);
  return withOptions(Tensor.fromArray(data, shape.slice(), dtype), options);
}

/** The identity matrix, of n rows and m (default n) columns. */
export function eye(n: number, m: number | CreateOptions = n, options: CreateOptions = {}): Tensor {
  if (typeof m !== "number") return eye(n, n, m);
  checkShape("eye", [n, m]);
  const dtype = options.dtype ?? getDefaultDtype();
  const out = Tensor.zeros([n, m], dtype);
  for (let i = 0; i < Math.min(n, m); i++) out.writeAt(i * (m + 1), 1);
  return withOptions(out, options);
}

// ---------------------------------------------------------------- sequences

type RangeArguments =
  | readonly [end: number, options?: CreateOptions]
  | readonly [start: number, end: number, options?: CreateOptions]
  | readonly [start: number, end: number, step: number, options?: CreateOptions];

/** start, start + step, … up to but without `end`; int64 if all three are whole numbers, as in PyTorch. */
export function arange(...args: RangeArguments): Tensor {
  const numbers = args.filter((arg) => typeof arg === "number");
  const options = (args.find((arg) => typeof arg === "object") ?? {}) as CreateOptions;
  const [start, end, step] = numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1];
  if (step === 0) throw new OctetError("arange: step must be nonzero");
  if (![start, end, step].every(Number.isFinite)) {
    throw new OctetError(`arange: unsupported range: ${start} -> ${end} by ${step}`);
  }
  if ((end - start) * step < 0) {
    throw new OctetError(
      `arange: upper bound and lower bound inconsistent with step sign: ${start} -> ${end} by ${step}`,
    );
  }
  const dtype = options.dtype ?? ([start, end, step].every(Number.isInteger) ? int64 : getDefaultDtype());
  const values = Float64Array.from({ length: Math.ceil((end - start) / step) }, (_, i) => start + i * step);
  return withOptions(fromValues(values, dtype), options);
}

/** `steps` evenly spaced numbers from `start` to `end`, both included. */
export function linspace(start: number, end: number, steps: number, options: CreateOptions = {}): Tensor {
  return withOptions(fromValues(evenlySpaced("linspace", start, end, steps, options), options.dtype), options);
}

/** `base` to the power of {@link linspace}(start, end, steps). */
export function logspace(
  start: number,
  end: number,
  steps: number,
  options: CreateOptions & { base?: number } = {},
): Tensor {
  const { base = 10 } = options;
  const exponents = evenlySpaced("logspace", start, end, steps, options);
  return withOptions(
    fromValues(
      exponents.map((exponent) => base ** exponent),
      options.dtype,
    ),
    options,
  );
}

/** Counts from both ends to the middle, so that the values are symmetric, in the precision of the result. */
function evenlySpaced(op: string, start: number, end: number, steps: number, options: CreateOptions): Float64Array {
  checkShape(op, [steps]);
  const rounded = (options.dtype ?? getDefaultDtype()) === float32 ? Math.fround : (x: number) => x;
  const step = rounded((rounded(end) - rounded(start)) / Math.max(steps - 1, 1));
  return Float64Array.from({ length: steps }, (_, i) =>
    i < steps / 2 || steps === 1 ? start + step * i : end - step * (steps - 1 - i),
  );
}

function fromValues(values: Float64Array, dtype: DType = getDefaultDtype()): Tensor {
  return Tensor.fromArray(convertArray(values, float64, dtype), [values.length], dtype);
}

// ---------------------------------------------------------------- like another tensor

/** Zeros of the shape and dtype of `x`. */
export const zerosLike = nondifferentiable("zerosLike", (x: Tensor, options: CreateOptions = {}) =>
  zeros(x.shape, { dtype: x.dtype, ...options }),
);

/** Ones of the shape and dtype of `x`. */
export const onesLike = nondifferentiable("onesLike", (x: Tensor, options: CreateOptions = {}) =>
  full(x.shape, 1, { dtype: x.dtype, ...options }),
);

/** A tensor of the shape and dtype of `x` to be overwritten. */
export const emptyLike = nondifferentiable("emptyLike", (x: Tensor, options: CreateOptions = {}) =>
  empty(x.shape, { dtype: x.dtype, ...options }),
);

/** A constant tensor of the shape and dtype of `x`. */
export const fullLike = nondifferentiable(
  "fullLike",
  (x: Tensor, value: number | boolean, options: CreateOptions = {}) =>
    full(x.shape, value, { dtype: x.dtype, ...options }),
);

/** Zeros of another shape in the dtype of `x`. */
export function newZeros(x: Tensor, ...args: SizeArguments): Tensor {
  const { shape, options } = sizesAndOptions("newZeros", args);
  return zeros(shape, { dtype: x.dtype, ...options });
}

/** Ones of another shape in the dtype of `x`. */
export function newOnes(x: Tensor, ...args: SizeArguments): Tensor {
  const { shape, options } = sizesAndOptions("newOnes", args);
  return full(shape, 1, { dtype: x.dtype, ...options });
}

/** A tensor of another shape in the dtype of `x`, to be overwritten. */
export function newEmpty(x: Tensor, ...args: SizeArguments): Tensor {
  const { shape, options } = sizesAndOptions("newEmpty", args);
  return empty(shape, { dtype: x.dtype, ...options });
}

/** A constant tensor of another shape in the dtype of `x`. */
export function newFull(x: Tensor, shape: Shape, value: number | boolean, options: CreateOptions = {}): Tensor {
  return full(shape, value, { dtype: x.dtype, ...options });
}

/** {@link tensor}, in the dtype of `x`. */
export function newTensor(x: Tensor, data: TensorData, options: CreateOptions = {}): Tensor {
  return tensor(data, { dtype: x.dtype, ...options });
}
