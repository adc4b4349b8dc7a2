/**
 * Tensor: a shape, strides and an offset over shared storage, plus the autograd fields that autograd/ fills in.
 * This file holds only what needs no arithmetic; every operator is a function in ops/, and ops/methods.ts attaches the
 * methods by declaration merging.
 */
import type { DType, NumericArray } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { halfToNumber, numberToHalf } from "../core/half.ts";
import { contiguousStrides, isContiguous, numelOf, wrapDim } from "../core/shape.ts";
import { formatTensor } from "../core/printing.ts";
import { formatQuantized } from "../core/quantized-printing.ts";
import type { Quantizer } from "../core/qparams.ts";
import { isPerTensor } from "../core/qparams.ts";
import { dequantizeValue } from "../core/quantize.ts";
import { bool, float16 } from "../core/dtype.ts";
import { copyStrided } from "./strided.ts";

/** The elements that one or more tensors view. `version` counts in-place changes, so that autograd can tell stale values. */
export interface Storage {
  data: NumericArray;
  version: number;
}

/** Where a tensor came from in the autograd graph. Implemented by autograd/node.ts. */
export interface GradFn {
  readonly name: string;
}

export interface TensorInit {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
  readonly offset?: number;
  readonly dtype: DType;
  /** The tensor whose storage this one views; see {@link Tensor.base}. */
  readonly base?: Tensor | null;
  /** How the integers of a quantized dtype stand for real numbers. */
  readonly quantizer?: Quantizer | null;
}

/** Nested JavaScript arrays of numbers or booleans, as `tolist` returns. */
export type NestedArray = number | boolean | NestedArray[];

export class Tensor {
  storage: Storage;
  shape: readonly number[];
  /** Elements (not bytes) between neighbours along each dimension. */
  strides: readonly number[];
  /** Index of the first element in the storage. */
  offset: number;
  dtype: DType;
  /** The tensor this one is a view of, or null. */
  base: Tensor | null;
  /** Where `base` stood in the graph when this view was made; a recorded in-place change moves it. */
  readonly baseGradFn: GradFn | null;
  /** Scale and zero point of a quantized dtype; null for every other. */
  quantizer: Quantizer | null;

  /** The gradient accumulated by `backward()`, for leaves that require one. */
  grad: Tensor | null = null;
  /** The operator that made this tensor, when it is part of an autograd graph. */
  gradFn: GradFn | null = null;
  /** Which output of `gradFn` this tensor is. */
  outputIndex = 0;
  /** Set on leaves; use {@link requiresGrad} to ask. */
  leafRequiresGrad = false;

  constructor(init: TensorInit) {
    this.storage = init.storage;
    this.shape = init.shape;
    this.strides = init.strides ?? contiguousStrides(init.shape);
    this.offset = init.offset ?? 0;
    this.dtype = init.dtype;
    this.base = init.base ?? null;
    this.baseGradFn = this.base ? this.base.gradFn : null;
    this.quantizer = init.quantizer ?? null;
  }

  /** A tensor over `data` itself (no copy); its length must fit the shape. */
  static fromArray(data: NumericArray, shape: readonly number[], dtype: DType): Tensor {
    if (data.length !== numelOf(shape)) {
      throw new OctetError(`tensor: ${data.length} elements do not fill shape ${formatShape(shape)}`);
    }
    return new Tensor({ storage: { data, version: 0 }, shape, dtype });
  }

  /** A zero-filled tensor. */
  static zeros(shape: readonly number[], dtype: DType): Tensor {
    return Tensor.fromArray(dtype.allocate(numelOf(shape)), shape, dtype);
  }

  /** Another view of the same storage. Not recorded by autograd: operators in ops/shape.ts are. */
  alias(shape: readonly number[], strides: readonly number[], offset: number): Tensor {
    const { storage, dtype, quantizer } = this;
    return new Tensor({ storage, shape, strides, offset, dtype, quantizer, base: this.base ?? this });
  }

  /** The same elements outside any autograd graph (`torch.Tensor.detach`): shares storage. */
  detach(): Tensor {
    return new Tensor({
      storage: this.storage,
      shape: this.shape,
      strides: this.strides,
      offset: this.offset,
      dtype: this.dtype,
      quantizer: this.quantizer,
    });
  }

  /** As {@link detach}; assigning replaces this tensor's elements, shape and dtype without autograd noticing. */
  get data(): Tensor {
    return this.detach();
  }

  set data(other: Tensor) {
    this.storage = other.storage;
    this.shape = other.shape;
    this.strides = other.strides;
    this.offset = other.offset;
    this.dtype = other.dtype;
    this.quantizer = other.quantizer;
  }

  /** True for a tensor of a quantized dtype. */
  get isQuantized(): boolean {
    return this.dtype.isQuantized;
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  dim(): number {
    return this.shape.length;
  }

  numel(): number {
    return numelOf(this.shape);
  }

  /** The shape, or one size of it (`dim` may be negative). */
  size(): readonly number[];
  size(dim: number): number;
  size(dim?: number): readonly number[] | number {
    return dim === undefined ? this.shape : this.shape[wrapDim("size", dim, this.ndim)];
  }

  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): readonly number[] | number {
    return dim === undefined ? this.strides : this.strides[wrapDim("stride", dim, this.ndim)];
  }

  isContiguous(): boolean {
    return isContiguous(this.shape, this.strides);
  }

  isFloatingPoint(): boolean {
    return this.dtype.isFloatingPoint;
  }

  /** True for a tensor no operator made, or that does not require a gradient. */
  get isLeaf(): boolean {
    return this.gradFn === null;
  }

  /** True if `backward()` reaches this tensor. Assign on leaves of a floating dtype only. */
  get requiresGrad(): boolean {
    return this.leafRequiresGrad || this.gradFn !== null;
  }

  set requiresGrad(value: boolean) {
    if (value && !this.dtype.isFloatingPoint) {
      throw new OctetError(`requiresGrad: only floating-point tensors can require gradients, got ${this.dtype.name}`);
    }
    if (!this.isLeaf) {
      if (!value) throw new OctetError("requiresGrad: you can only change requiresGrad of leaf tensors; use detach()");
      return;
    }
    this.leafRequiresGrad = value;
  }

  requiresGrad_(value = true): this {
    this.requiresGrad = value;
    return this;
  }

  /**
   * The elements in row-major order as a typed array. A contiguous tensor gives a window of its own storage, not a copy:
   * read it, and write it only where the tensor is yours. float16 gives bit patterns; see {@link toNumbers}.
   */
  elements(): NumericArray {
    const n = this.numel();
    const { data } = this.storage;
    if (this.isContiguous()) {
      return this.offset === 0 && data.length === n ? data : data.subarray(this.offset, this.offset + n);
    }
    const out = this.dtype.allocate(n);
    copyStrided(this.shape, data, this.strides, this.offset, out, contiguousStrides(this.shape), 0);
    return out;
  }

  /** A fresh array of the values as numbers, in row-major order; float16 is decoded. */
  toNumbers(): Float32Array | Float64Array | NumericArray {
    const elements = this.elements();
    if (this.dtype === float16) return Float32Array.from(elements, halfToNumber);
    return elements.buffer === this.storage.data.buffer ? elements.slice() : elements;
  }

  /** The only element of a one-element tensor as a number (bool gives 0 or 1; quantized tensors the real value). */
  item(): number {
    if (this.numel() !== 1) {
      throw new OctetError(
        `item: a Tensor with ${this.numel()} elements cannot be converted to a number (shape ${formatShape(this.shape)})`,
      );
    }
    return this.quantizer ? dequantizedElements(this, this.quantizer)[0] : this.readAt(this.offset);
  }

  /** Nested arrays of the values; a scalar gives a number. bool gives booleans. Quantized tensors are refused, as in PyTorch. */
  tolist(): NestedArray {
    if (this.isQuantized) {
      throw new OctetError("tolist: invalid type: a quantized tensor; take the list of dequantize() or of intRepr()");
    }
    const walk = (d: number, at: number): NestedArray => {
      if (d === this.ndim) return this.dtype === bool ? this.readAt(at) !== 0 : this.readAt(at);
      return Array.from({ length: this.shape[d] }, (_, i) => walk(d + 1, at + i * this.strides[d]));
    };
    return walk(0, this.offset);
  }

  /** The value at a raw storage index. */
  readAt(index: number): number {
    const value = this.storage.data[index];
    return this.dtype === float16 ? halfToNumber(value) : value;
  }

  /** Stores a number at a raw storage index, rounded to the dtype. Does not count as an in-place change. */
  writeAt(index: number, value: number): void {
    this.storage.data[index] =
      this.dtype === float16 ? numberToHalf(value) : this.dtype === bool ? +(value !== 0) : value;
  }

  /** Tells autograd that the storage was changed in place. */
  bumpVersion(): void {
    this.storage.version++;
  }

  /** As PyTorch prints it. */
  toString(): string {
    const { shape, dtype, gradFn, quantizer } = this;
    if (quantizer) return formatQuantized(dequantizedElements(this, quantizer), shape, dtype, quantizer);
    const suffixes = gradFn
      ? [`grad_fn=<${backwardName(gradFn.name)}>`]
      : this.requiresGrad
        ? ["requires_grad=True"]
        : [];
    return formatTensor({ shape, dtype, values: this.toNumbers(), suffixes });
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** The real values that the integers of a quantized tensor stand for, in row-major order. */
function dequantizedElements(x: Tensor, quantizer: Quantizer): Float32Array {
  const q = x.elements();
  if (isPerTensor(quantizer)) {
    const { scale, zeroPoint } = quantizer;
    return Float32Array.from(q, (value) => dequantizeValue(value, scale, zeroPoint));
  }
  const { scales, zeroPoints, axis } = quantizer;
  const inner = numelOf(x.shape.slice(axis + 1));
  return Float32Array.from(q, (value, i) => {
    const channel = Math.floor(i / inner) % scales.length;
    return dequantizeValue(value, scales[channel], zeroPoints[channel]);
  });
}

/** PyTorch's style of name for the node of an operator: add → AddBackward0. */
function backwardName(op: string): string {
  return `${op.charAt(0).toUpperCase()}${op.slice(1)}Backward0`;
}
