/**
 * The one table of operators under test: name → how to call it. Every golden case of a function must have an entry here,
 * and every entry a golden case; modules need one only where the general way of making and calling them does not do.
 */
import { activationCases } from "./activation.ts";
import { attentionCases } from "./attention.ts";
import { indexingCases } from "./indexing.ts";
import { reduceCases } from "./reduce.ts";
import { shapeCases } from "./shape.ts";
import { sortCases } from "./sort.ts";
import { elementwiseCases } from "./elementwise.ts";
import { convCases } from "./conv.ts";
import { embeddingCases } from "./embedding.ts";
import { linearCases } from "./linear.ts";
import { lossCases } from "./loss.ts";
import { normCases } from "./norm.ts";
import { poolCases } from "./pool.ts";
import { rnnCases } from "./rnn.ts";
import { upsampleCases } from "./upsample.ts";
import type { OpCase, OpTable } from "./types.ts";

/** One table per family of operators. */
const tables: readonly OpTable[] = [
  activationCases,
  elementwiseCases,
  indexingCases,
  reduceCases,
  shapeCases,
  sortCases,
  convCases,
  linearCases,
  lossCases,
  normCases,
  poolCases,
  upsampleCases,
  attentionCases,
  embeddingCases,
  rnnCases,
];

function merge(parts: readonly OpTable[]): ReadonlyMap<string, OpCase> {
  const merged = new Map<string, OpCase>();
  for (const [name, entry] of parts.flatMap((part) => Object.entries(part))) {
    if (merged.has(name)) throw new Error(`op-cases: ${name} stands in two tables`);
    merged.set(name, entry);
  }
  return merged;
}

export const opCases = merge(tables);
