/**
 * What the importer knows about the values of an ONNX graph while it makes a graph of Octet's from it: which node computes a
 * value, or which constant it is; and as much of its dtype and shape as can be told without running anything.
 */
import type { DType } from "../core/dtype.ts";
import type { FxNode } from "../fx/node.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OnnxTensor, OnnxType } from "./model.ts";
import { dtypeOf } from "./tensor.ts";

/** One size: a number, the name of a symbolic one, or null for an unknown one. */
export type Dim = number | string | null;

export type SymbolicShape = readonly Dim[];

export interface Value {
  /** The name in the ONNX graph; "" for what only the importer made. */
  readonly name: string;
  /** The node that computes it; null for constants. */
  readonly node: FxNode | null;
  readonly constant: Tensor | null;
  /** A constant of a type that tensors here cannot have, such as strings. */
  readonly unreadable: OnnxTensor | null;
  /** Null: not known. */
  readonly dtype: DType | null;
  /** Null: not even the rank is known. */
  readonly shape: SymbolicShape | null;
  /** The elements of a small integer vector or scalar that are known although it is computed, such as a shape. */
  readonly elements: readonly (number | null)[] | null;
}

export interface ValueFacts {
  readonly dtype?: DType | null;
  readonly shape?: SymbolicShape | null;
  readonly elements?: readonly (number | null)[] | null;
}

export function constantValue(constant: Tensor, name = ""): Value {
  const { dtype, shape } = constant;
  const isSmall = !dtype.isFloatingPoint && constant.ndim <= 1 && constant.numel() <= MAX_KNOWN_ELEMENTS;
  const elements = isSmall ? Array.from(constant.toNumbers()) : null;
  return { name, node: null, constant, unreadable: null, dtype, shape, elements };
}

/** Longer vectors are no shapes. */
const MAX_KNOWN_ELEMENTS = 64;

export function computedValue(node: FxNode, facts: ValueFacts = {}): Value {
  const { dtype = null, shape = null, elements = null } = facts;
  return { name: "", node, constant: null, unreadable: null, dtype, shape, elements };
}

/** Adds to what is known of a value what the file declares about it. */
export function withDeclared(value: Value, declared: ValueFacts | null): Value {
  if (!declared || value.constant) return value;
  return {
    ...value,
    dtype: value.dtype ?? declared.dtype ?? null,
    shape: mergedShape(value.shape, declared.shape ?? null),
  };
}

function mergedShape(known: SymbolicShape | null, declared: SymbolicShape | null): SymbolicShape | null {
  if (!known || !declared) return known ?? declared;
  if (known.length !== declared.length) return known; // what was computed is right where a file contradicts itself
  return known.map((size, d) => (typeof size === "number" ? size : (declared[d] ?? size)));
}

/** What a declared type says about a tensor. */
export function factsOfType(type: OnnxType | null): ValueFacts | null {
  if (type?.kind !== "tensor") return null;
  return { dtype: dtypeOf(type.elementType), shape: type.shape?.map(({ size }) => size) ?? null };
}

/** The shape of what broadcasts from `a` and `b`. Symbolic sizes are taken not to be 1 where they meet another size. */
export function broadcastShape(a: SymbolicShape | null, b: SymbolicShape | null): SymbolicShape | null {
  if (!a || !b) return null;
  const rank = Math.max(a.length, b.length);
  const sizeAt = (shape: SymbolicShape, d: number): Dim => {
    const at = d - (rank - shape.length);
    return at < 0 ? 1 : shape[at];
  };
  return Array.from({ length: rank }, (_, d) => broadcastDim(sizeAt(a, d), sizeAt(b, d)));
}

function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === "number") return a;
  return typeof b === "number" ? b : null;
}

/** The number of elements, or null. */
export function knownNumel(shape: SymbolicShape | null): number | null {
  if (!shape?.every((size) => typeof size === "number")) return null;
  return shape.reduce<number>((product, size) => product * (size as number), 1);
}

/** `dim` counted from the front, if `rank` is known. */
export function wrappedDim(dim: number, rank: number): number {
  return dim < 0 ? dim + rank : dim;
}
