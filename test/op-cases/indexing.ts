/** How the operators of src/ops/indexing.ts and subscript.ts are called. */
import { clone } from "../../src/ops/copy.ts";
import * as ops from "../../src/ops/indexing.ts";
import type { Index, IndexPutOptions } from "../../src/ops/subscript.ts";
import { index, indexPut, indexPut_, setIndex } from "../../src/ops/subscript.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Inputs, Kwargs, OpCase, OpTable } from "./types.ts";
import { direct, optionsOf } from "./types.ts";

/** op(x, dim, index, source or value, options). */
function along(op: (...args: never[]) => unknown, onCopy = false): OpCase {
  const anyOp = op as (...args: unknown[]) => unknown;
  return {
    call: ({ x, index: places, source, src }: Inputs, { dim, value, ...options }: Kwargs) => {
      const written = source ?? src ?? value;
      const given = written === undefined ? [] : [written];
      return anyOp(onCopy ? clone(x) : x, dim, places, ...given, ...optionsOf(options));
    },
  };
}

/** The subscripts of a case, with the inputs in the places of their names. */
function indicesOf(inputs: Inputs, kwargs: Kwargs): Index[] {
  return (kwargs.indices as Index[]).map((item) => (typeof item === "string" && inputs[item] ? inputs[item] : item));
}

function masked(op: (x: Tensor, mask: Tensor, value: number | Tensor) => Tensor, onCopy = false): OpCase {
  return {
    call: ({ x, mask, value }, kwargs) => op(onCopy ? clone(x) : x, mask, value ?? (kwargs.value as number)),
  };
}

type Put = (x: Tensor, indices: readonly Index[], values: Tensor, options?: IndexPutOptions) => Tensor;

function put(op: Put, onCopy = false): OpCase {
  return {
    call: (inputs, { indices, ...options }) =>
      op(onCopy ? clone(inputs.x) : inputs.x, indicesOf(inputs, { indices }), inputs.v, options),
  };
}

export const indexingCases: OpTable = {
  indexSelect: along(ops.indexSelect),
  indexAdd: along(ops.indexAdd),
  indexAdd_: along(ops.indexAdd_, true),
  gather: along(ops.gather),
  scatter: along(ops.scatter),
  scatter_: along(ops.scatter_, true),
  scatterAdd: along(ops.scatterAdd),
  scatterAdd_: along(ops.scatterAdd_, true),
  maskedFill: masked(ops.maskedFill),
  maskedFill_: masked(ops.maskedFill_, true),
  maskedSelect: direct(ops.maskedSelect),
  take: direct(ops.take),
  nonzero: direct(ops.nonzero),
  oneHot: { call: ({ x }, { numClasses }) => ops.oneHot(x, numClasses as number | undefined) },
  index: { call: (inputs, kwargs) => index(inputs.x, ...indicesOf(inputs, kwargs)) },
  indexPut: put(indexPut),
  indexPut_: put(indexPut_, true),
  setIndex: {
    call: (inputs, kwargs) =>
      setIndex(clone(inputs.x), indicesOf(inputs, kwargs), inputs.v ?? (kwargs.value as number)),
  },
};
