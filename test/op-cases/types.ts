/** What the table in index.ts holds: for each operator or module, how a golden case of it is called. */
import type { Module } from "../../src/nn/module.ts";
import { clone } from "../../src/ops/copy.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** The tensors that a case feeds in, by name and in order. */
export type Inputs = Readonly<Record<string, Tensor>>;

/** PyTorch's keyword arguments with camelCased names; those that are None are left out. */
export type Kwargs = Readonly<Record<string, unknown>>;

export interface OpCase {
  /** Calls the function. What it returns is flattened to a list of tensors. Needed for functions, unused for modules. */
  readonly call?: (inputs: Inputs, kwargs: Kwargs) => unknown;
  /** Constructs the module, where `new nn[op](...args, kwargs)` does not do. `state` is loaded afterwards. */
  readonly make?: (args: readonly unknown[], kwargs: Kwargs, state: ReadonlyMap<string, Tensor>) => Module;
  /** Calls the module, where `module(...inputs)` does not do. */
  readonly run?: (module: Module, inputs: Inputs) => unknown;
  /**
   * Cases whose gradient finite differences do not give: case name → why. Their inputs lie on a kink or jump, or the
   * gradient is meant to be another (that of a padding row, say, is 0).
   */
  readonly noDifferences?: Readonly<Record<string, string>>;
}

export type OpTable = Readonly<Record<string, OpCase>>;

type AnyFunction = (...args: never[]) => unknown;

/** Calls `op` with the inputs in order, then the keyword arguments (if there are any) as its options. */
export function direct(op: AnyFunction): OpCase {
  const anyOp = op as (...args: unknown[]) => unknown;
  return { call: (inputs, kwargs) => anyOp(...Object.values(inputs), ...optionsOf(kwargs)) };
}

/** As {@link direct}, for an operator that overwrites its first argument: it is given a copy, so that leaves stay leaves. */
export function onCopy(op: AnyFunction): OpCase {
  const anyOp = op as (...args: unknown[]) => unknown;
  return direct(((self: Tensor, ...rest: unknown[]) => anyOp(clone(self), ...rest)) as AnyFunction);
}

/** An options object as the last argument of a call: nothing if it is empty. */
export function optionsOf(kwargs: Kwargs): Kwargs[] {
  return Object.keys(kwargs).length ? [kwargs] : [];
}
