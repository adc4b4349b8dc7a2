/** Attention with several heads and its projections, as one function (`torch.nn.functional.multi_head_attention_forward`). */
import type { DType } from "../core/dtype.ts";
import { bool } from "../core/dtype.ts";
import { check, formatShape } from "../core/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { scaledDotProductAttention } from "./attention.ts";
import { dropout } from "./dropout.ts";
import { add, asDtype, mul, where } from "./elementwise.ts";
import { linear, matmul } from "./linear.ts";
import { composite } from "./op.ts";
import { cat } from "./rearrange.ts";
import { mean } from "./reduce.ts";
import { chunk, expand, permute, reshape, squeeze, transpose, unsqueeze } from "./shape.ts";
import { softmax } from "./softmax.ts";

/** The parameters of a multi-head attention of E features. */
export interface AttentionWeights {
  /** [3E, E]: query, key and value projections in one; null if the three are given one by one. */
  readonly inProjWeight: Tensor | null;
  /** [E, E], [E, kdim], [E, vdim]; null with `inProjWeight`. */
  readonly separate: readonly [q: Tensor, k: Tensor, v: Tensor] | null;
  /** [3E]. */
  readonly inProjBias: Tensor | null;
  /** [1, 1, E]: one more key and value for every sequence. Both or none. */
  readonly biasK: Tensor | null;
  readonly biasV: Tensor | null;
  /** [E, E]. */
  readonly outProjWeight: Tensor;
  /** [E]. */
  readonly outProjBias: Tensor | null;
}

/** What a call of multi-head attention may say besides its inputs. */
export interface MultiheadCallOptions {
  /** [N, S] ([S] unbatched). bool: true is ignored as a key; float: added to the scores. */
  readonly keyPaddingMask?: Tensor | null;
  /** [L, S] or [N·heads, L, S]. bool: true must not be attended to; float: added to the scores. */
  readonly attnMask?: Tensor | null;
  /** Gives the attention weights too; default true. */
  readonly needWeights?: boolean;
  /** The weights' mean over the heads instead of one matrix per head; default true. */
  readonly averageAttnWeights?: boolean;
  /** Tells that `attnMask`, which must be given, is the causal mask. */
  readonly isCausal?: boolean;
}

export interface MultiheadOptions extends MultiheadCallOptions {
  /** One more key and value of zeros for every sequence. */
  readonly addZeroAttn?: boolean;
  /** Probability of dropping an attention weight, in training. */
  readonly dropoutP?: number;
  readonly training?: boolean;
}

const OP = "multiHeadAttention";

/**
 * query [L, N, E], key [S, N, kdim], value [S, N, vdim], or all without N: gives the output [L, N, E] and, unless
 * `needWeights` is false, the attention weights [N, L, S] ([N, heads, L, S] without averaging).
 */
export const multiHeadAttentionForward = composite(
  "multiHeadAttentionForward",
  (
    query: Tensor,
    key: Tensor,
    value: Tensor,
    numHeads: number,
    weights: AttentionWeights,
    options: MultiheadOptions = {},
  ): readonly [output: Tensor, attnWeights: Tensor | null] => {
    checkInputs(query, key, value, weights);
    if (query.ndim === 3) return attendBatched(query, key, value, numHeads, weights, options);
    // Equal inputs stay equal, so that self-attention is still recognized.
    const q = unsqueeze(query, 1);
    const k = key === query ? q : unsqueeze(key, 1);
    const v = value === key ? k : unsqueeze(value, 1);
    const keyPaddingMask = options.keyPaddingMask ? unsqueeze(options.keyPaddingMask, 0) : null;
    const [output, attention] = attendBatched(q, k, v, numHeads, weights, { ...options, keyPaddingMask });
    return [squeeze(output, 1), attention && squeeze(attention, 0)];
  },
);

function attendBatched(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  numHeads: number,
  weights: AttentionWeights,
  options: MultiheadOptions,
): [output: Tensor, attnWeights: Tensor | null] {
  const [length, batch, features] = query.shape;
  const { needWeights = true, averageAttnWeights = true, isCausal = false, keyPaddingMask = null } = options;
  const causalHint = isCausal && !keyPaddingMask && !needWeights;
  checkMasks(query, key, numHeads, options);
  const [q, keys, values] = project(query, key, value, weights);
  const { k, v, extra } = withExtraKeys(keys, values, weights, options.addZeroAttn ?? false);
  const heads = [q, k, v].map((x) => splitHeads(x, numHeads));
  const mask = causalHint ? null : mergedMask(query.shape, query.dtype, numHeads, extra, options);
  const dropoutP = options.training ? (options.dropoutP ?? 0) : 0;

  const attention = needWeights ? attentionWeights(heads[0], heads[1], mask) : null;
  const attended = attention
    ? matmul(dropoutP > 0 ? dropout(attention, { p: dropoutP, training: true }) : attention, heads[2])
    : scaledDotProductAttention(heads[0], heads[1], heads[2], { attnMask: mask, dropoutP, isCausal: causalHint });
  const joined = reshape(permute(attended, 2, 0, 1, 3), length, batch, features);
  const output = linear(joined, weights.outProjWeight, weights.outProjBias);
  return [output, attention && averageAttnWeights ? mean(attention, 1) : attention];
}

/** softmax(q · kᵀ / √E + mask), [N, heads, L, S]. A query that may attend to nothing gives NaN, as in PyTorch. */
function attentionWeights(q: Tensor, k: Tensor, mask: Tensor | null): Tensor {
  const scores = matmul(mul(q, Math.sqrt(1 / q.shape[3])), transpose(k, -2, -1));
  return softmax(mask ? add(scores, mask) : scores, -1);
}

/** The inputs through their projections, each [*, N, E]. Self-attention is one product instead of three. */
function project(query: Tensor, key: Tensor, value: Tensor, weights: AttentionWeights): readonly Tensor[] {
  const { inProjWeight, separate, inProjBias } = weights;
  if (inProjWeight && query === key && key === value) return chunk(linear(query, inProjWeight, inProjBias), 3, -1);
  const matrices = separate ?? chunk(inProjWeight as Tensor, 3, 0);
  const biases = inProjBias ? chunk(inProjBias, 3, 0) : [null, null, null];
  return [query, key, value].map((x, i) => linear(x, matrices[i], biases[i]));
}

/** Keys and values with the learned and the zero entry behind them; `extra` counts those. */
function withExtraKeys(k: Tensor, v: Tensor, { biasK, biasV }: AttentionWeights, addZeroAttn: boolean) {
  const entry = [1, k.shape[1], k.shape[2]];
  const append = (x: Tensor, learned: Tensor | null) => {
    const parts = [x];
    if (learned) parts.push(expand(learned, entry));
    if (addZeroAttn) parts.push(Tensor.zeros(entry, x.dtype));
    return parts.length > 1 ? cat(parts, 0) : x;
  };
  return { k: append(k, biasK), v: append(v, biasV), extra: (biasK ? 1 : 0) + (addZeroAttn ? 1 : 0) };
}

/** [L, N, E] → [N, heads, L, E / heads]. */
export function splitHeads(x: Tensor, numHeads: number): Tensor {
  const [length, batch, features] = x.shape;
  return permute(reshape(x, length, batch, numHeads, features / numHeads), 1, 2, 0, 3);
}

/** Both masks as numbers to add to the scores [N, heads, L, S + extra]; null if there are none. */
export function mergedMask(
  query: readonly number[],
  dtype: DType,
  numHeads: number,
  extra: number,
  options: MultiheadCallOptions,
): Tensor | null {
  const { attnMask, keyPaddingMask } = options;
  const [length, batch] = query;
  const parts: Tensor[] = [];
  if (attnMask) {
    const mask = open(additive(attnMask, dtype), extra);
    parts.push(attnMask.ndim === 2 ? mask : reshape(mask, batch, numHeads, length, mask.shape[2]));
  }
  if (keyPaddingMask) {
    const mask = open(additive(keyPaddingMask, dtype), extra);
    parts.push(reshape(mask, batch, 1, 1, mask.shape[1]));
  }
  return parts.length ? parts.reduce((a, b) => add(a, b)) : null;
}

/** 0 where a bool mask is false, −∞ where it is true; a float mask as it is. */
function additive(mask: Tensor, dtype: DType): Tensor {
  return asDtype(mask.dtype === bool ? where(mask, -Infinity, 0) : mask, dtype);
}

/** The mask with `extra` keys behind it that everyone may attend to. */
function open(mask: Tensor, extra: number): Tensor {
  if (extra === 0) return mask;
  return cat([mask, Tensor.zeros([...mask.shape.slice(0, -1), extra], mask.dtype)], -1);
}

function checkInputs(query: Tensor, key: Tensor, value: Tensor, weights: AttentionWeights): void {
  const shapes = () => [query, key, value].map((x) => formatShape(x.shape)).join(", ");
  check(
    (query.ndim === 2 || query.ndim === 3) && key.ndim === query.ndim && value.ndim === query.ndim,
    () => `${OP}: query, key and value must all have 3 dimensions, or 2 unbatched; got shapes ${shapes()}`,
  );
  const lead = query.ndim - 1;
  check(
    key.shape.slice(0, lead).every((size, d) => size === value.shape[d]) &&
      (lead === 1 || query.shape[1] === key.shape[1]),
    () => `${OP}: lengths of key and value, and all batches, must agree; got shapes ${shapes()}`,
  );
  const { separate, inProjWeight } = weights;
  const expected =
    separate?.map((matrix) => matrix.shape[1]) ?? new Array<number>(3).fill((inProjWeight as Tensor).shape[1]);
  [query, key, value].forEach((x, i) => {
    const features = x.shape[lead];
    const name = ["query", "key", "value"][i];
    check(features === expected[i], () => `${OP}: ${name} has ${features} features, expected ${expected[i]}`);
  });
}

export function checkMasks(query: Tensor, key: Tensor, numHeads: number, options: MultiheadOptions): void {
  const { attnMask, keyPaddingMask, isCausal } = options;
  const [length, batch] = query.shape;
  const keys = key.shape[0];
  check(!isCausal || attnMask, () => `${OP}: isCausal is a hint about attnMask, which must be given too`);
  const fits = (mask: Tensor, shape: readonly number[]) =>
    mask.ndim === shape.length && shape.every((size, d) => size === mask.shape[d]);
  for (const mask of [attnMask, keyPaddingMask]) {
    check(
      !mask || mask.dtype === bool || mask.dtype.isFloatingPoint,
      () => `${OP}: masks must be bool or floating point, got ${mask?.dtype.name}`,
    );
  }
  check(
    !attnMask || fits(attnMask, [length, keys]) || fits(attnMask, [batch * numHeads, length, keys]),
    () =>
      `${OP}: attnMask has shape ${formatShape(attnMask?.shape ?? [])}, expected ${formatShape([length, keys])} or ` +
      formatShape([batch * numHeads, length, keys]),
  );
  check(
    !keyPaddingMask || fits(keyPaddingMask, [batch, keys]),
    () =>
      `${OP}: keyPaddingMask has shape ${formatShape(keyPaddingMask?.shape ?? [])}, expected ${formatShape([batch, keys])}`,
  );
}
