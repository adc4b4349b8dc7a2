/** How the operators of src/ops/reduce.ts and statistics.ts are called. */
import { norm } from "../../src/ops/statistics.ts";
import * as reduce from "../../src/ops/reduce.ts";
import * as statistics from "../../src/ops/statistics.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { except, positional } from "./tensor-ops.ts";
import type { OpTable } from "./types.ts";

const TIES = "several elements are the extreme";
const NAN = "NaN";

/** Infinite orders come as words. */
const ORDERS: Readonly<Record<string, number>> = { inf: Infinity, minus_inf: -Infinity };

export const reduceCases: OpTable = {
  sum: positional(reduce.sum),
  mean: positional(reduce.mean),
  prod: positional(reduce.prod),
  amax: except(positional(reduce.amax), { amax_ties: TIES, amax_ties_all: TIES }),
  amin: except(positional(reduce.amin), { amin_ties: TIES, amin_ties_all: TIES }),
  max: except(positional(reduce.max), { max_ties_all: TIES, max_nan: NAN }),
  min: except(positional(reduce.min), { min_ties_all: TIES, min_nan: NAN }),
  argmax: positional(reduce.argmax),
  argmin: positional(reduce.argmin),
  any: positional(reduce.any),
  all: positional(reduce.all),
  cumsum: positional(reduce.cumsum),
  cumprod: positional(reduce.cumprod),
  countNonzero: positional(reduce.countNonzero),
  std: except(positional(statistics.std), { std_zero: "the deviation is 0, where its root is not smooth" }),
  var: positional(statistics.var),
  varMean: positional(statistics.varMean),
  stdMean: positional(statistics.stdMean),
  norm: except(
    positional((x: Tensor, p?: number | string, ...rest: number[]) =>
      norm(x, typeof p === "string" && p in ORDERS ? ORDERS[p] : (p as number), ...rest),
    ),
    { norm_zero: "the norm is 0", norm_inf_ties: TIES, norm_minus_inf_ties: TIES },
  ),
  dist: positional(statistics.dist),
  logsumexp: except(positional(statistics.logsumexp), { logsumexp_infinite: "infinities" }),
};
