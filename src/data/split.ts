/** Random splits of a dataset (`torch.utils.data.random_split`). */
import { OctetError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import { randperm } from "../ops/random.ts";
import type { Dataset } from "./dataset.ts";
import { Subset } from "./dataset.ts";

/** Disjoint random subsets of the given lengths, which must add up; or of fractions that add up to 1. */
export function randomSplit<T>(
  dataset: Dataset<T>,
  lengths: readonly number[],
  options: { generator?: Generator } = {},
): Subset<T>[] {
  const counts = lengths.some((n) => !Number.isInteger(n)) ? fromFractions(lengths, dataset.length) : lengths;
  if (counts.reduce((a, b) => a + b, 0) !== dataset.length) {
    throw new OctetError(`randomSplit: lengths ${lengths.join(", ")} do not add up to ${dataset.length} samples`);
  }
  const order = Array.from(randperm(dataset.length, { generator: options.generator }).elements());
  let start = 0;
  return counts.map((n) => new Subset(dataset, order.slice(start, (start += n))));
}

/** ⌊fraction · total⌋ each; the samples left over go round robin to the first ones, as in PyTorch. */
function fromFractions(fractions: readonly number[], total: number): number[] {
  const counts = fractions.map((f) => Math.floor(total * f));
  if (Math.abs(fractions.reduce((a, b) => a + b, 0) - 1) > 1e-6) return counts;
  const rest = total - counts.reduce((a, b) => a + b, 0);
  for (let i = 0; i < rest; i++) counts[i % counts.length]++;
  return counts;
}
