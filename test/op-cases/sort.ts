/** How the operators of src/ops/sort.ts are called, and those that search what is sorted. */
import { bucketize, searchsorted } from "../../src/ops/indexing.ts";
import * as ops from "../../src/ops/sort.ts";
import { except, positional } from "./tensor-ops.ts";
import type { OpTable } from "./types.ts";

const NAN = "NaN and infinities";

export const sortCases: OpTable = {
  sort: except(positional(ops.sort), { sort_nan: NAN, sort_nan_descending: NAN }),
  argsort: positional(ops.argsort),
  topk: except(positional(ops.topk), { topk_nan: NAN }),
  kthvalue: positional(ops.kthvalue),
  median: except(positional(ops.median), { median_nan: NAN, median_nan_all: NAN }),
  unique: positional(ops.unique),
  searchsorted: positional(searchsorted),
  bucketize: positional(bucketize),
};
