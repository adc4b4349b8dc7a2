/** What the tables of shape, reduce, sort and indexing share: how their golden cases are called. */
import { dtypeFromName } from "../../src/core/dtype.ts";
import { clone } from "../../src/ops/copy.ts";
import { permute } from "../../src/ops/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Inputs, Kwargs, OpCase } from "./types.ts";
import { optionsOf } from "./types.ts";

type AnyOperator = (...args: never[]) => unknown;

/**
 * op(...inputs, ...args, options): `args` are positional arguments, `permute` reorders the first input's dimensions first,
 * a dtype is given by name.
 */
export function positional(op: AnyOperator): OpCase {
  return {
    call: (inputs, { args = [], permute: order, dtype, ...rest }) => {
      const [first, ...others] = Object.values(inputs);
      const x = order ? permute(first, order as number[]) : first;
      const options = dtype === undefined ? rest : { ...rest, dtype: dtypeFromName(dtype as string) };
      return (op as (...all: unknown[]) => unknown)(x, ...others, ...(args as unknown[]), ...optionsOf(options));
    },
  };
}

/** As {@link positional}, for an operator that overwrites its first argument. */
export function positionalOnCopy(op: AnyOperator): OpCase {
  const anyOp = op as (...args: unknown[]) => unknown;
  return positional(((self: Tensor, ...rest: unknown[]) => anyOp(clone(self), ...rest)) as AnyOperator);
}

/** op([...inputs], ...args): for operators on a list of tensors. */
export function onList(op: (tensors: readonly Tensor[], dim?: number) => Tensor): OpCase {
  return { call: (inputs: Inputs, { args = [] }: Kwargs) => op(Object.values(inputs), ...(args as number[])) };
}

/** An entry whose named cases are not differentiable in the ordinary sense. */
export function except(entry: OpCase, noDifferences: Readonly<Record<string, string>>): OpCase {
  return { ...entry, noDifferences };
}
