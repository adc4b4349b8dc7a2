/**
 * Scaled dot-product attention, written with matrix products. Not here: projections and heads, which are
 * nn/modules/multihead-attention.ts.
 */
import type { FloatArray } from "../core/dtype.ts";
import { bool } from "../core/dtype.ts";
import { OctetError, check, formatShape } from "../core/errors.ts";
import { broadcastShapes } from "../core/shape.ts";
import { saved } from "../autograd/node.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { dropout } from "./dropout.ts";
import { add, mul, where } from "./elementwise.ts";
import { matmul } from "./linear.ts";
import { composite, primitive } from "./op.ts";
import { tril } from "./rearrange.ts";
import { transpose } from "./shape.ts";

export interface AttentionOptions {
  /** Broadcasts to [..., L, S]. bool: true takes part; float: added to the scores. */
  readonly attnMask?: Tensor | null;
  /** Probability of dropping an attention weight. Drops whenever it is above 0: pass 0 outside training. */
  readonly dropoutP?: number;
  /** Position i attends to positions up to i only. Not together with `attnMask`. */
  readonly isCausal?: boolean;
  /** Factor of the scores, default 1 / √E. */
  readonly scale?: number | null;
}

/**
 * softmax(query · keyᵀ · scale + mask) · value for query [..., L, E], key [..., S, E] and value [..., S, V]: [..., L, V]
 * (`torch.nn.functional.scaled_dot_product_attention`). A query that may attend to nothing gives zeros.
 */
export const scaledDotProductAttention = composite(
  "scaledDotProductAttention",
  (query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions = {}): Tensor => {
    const { attnMask = null, dropoutP = 0, isCausal = false, scale } = options;
    checkShapes(query, key, value);
    check(!(attnMask && isCausal), () => "scaledDotProductAttention: attnMask and isCausal exclude each other");
    const mask = isCausal ? causalMask(query.shape.at(-2) as number, key.shape.at(-2) as number) : attnMask;
    // Half of the scale goes to each side, as in PyTorch: the products stay in range for long sequences.
    const factor = scale ?? 1 / Math.sqrt(query.shape.at(-1) as number);
    const side = Math.sqrt(Math.abs(factor));
    const scores = matmul(mul(query, Math.sign(factor) * side), transpose(mul(key, side), -2, -1));
    const weights = safeSoftmax(mask ? applyMask(scores, mask) : scores);
    return matmul(dropoutP > 0 ? dropout(weights, { p: dropoutP, training: true }) : weights, value);
  },
);

function checkShapes(query: Tensor, key: Tensor, value: Tensor): void {
  const op = "scaledDotProductAttention";
  for (const [name, tensor] of Object.entries({ query, key, value })) {
    check(tensor.ndim >= 2, () => `${op}: ${name} needs at least 2 dimensions, got shape ${formatShape(tensor.shape)}`);
    check(
      tensor.dtype === query.dtype && tensor.dtype.isFloatingPoint,
      () => `${op}: query, key and value must have one floating-point dtype; ${name} is ${tensor.dtype.name}`,
    );
  }
  check(
    query.shape.at(-1) === key.shape.at(-1),
    () => `${op}: query has ${query.shape.at(-1)} features, key has ${key.shape.at(-1)}`,
  );
  check(
    key.shape.at(-2) === value.shape.at(-2),
    () => `${op}: key has ${key.shape.at(-2)} positions, value has ${value.shape.at(-2)}`,
  );
}

/** True at and below the diagonal. */
function causalMask(rows: number, columns: number): Tensor {
  return tril(Tensor.fromArray(new Uint8Array(rows * columns).fill(1), [rows, columns], bool));
}

function applyMask(scores: Tensor, mask: Tensor): Tensor {
  const shape = broadcastShapes("scaledDotProductAttention", scores.shape, mask.shape);
  if (shape.length !== scores.ndim || shape.some((size, d) => size !== scores.shape[d])) {
    throw new OctetError(
      `scaledDotProductAttention: attnMask of shape ${formatShape(mask.shape)} does not broadcast to the scores' ` +
        `shape ${formatShape(scores.shape)}`,
    );
  }
  return mask.dtype === bool ? where(mask, scores, -Infinity) : add(scores, mask);
}

/** Softmax over the last dimension in which a row of nothing but −∞ becomes zeros instead of NaN. */
const safeSoftmax = primitive(
  "safeSoftmax",
  (scores: Tensor) => {
    const dtype = computeDtype(scores.dtype);
    const x = floatElements(scores, dtype);
    const n = scores.shape.at(-1) as number;
    const outer = n ? x.length / n : 0;
    const out = dtype.allocate(x.length) as FloatArray;
    kernels().softmax(x, outer, n, 1, out, false);
    for (let row = 0; row < outer; row++) {
      if (isMasked(x, row * n, n)) out.fill(0, row * n, (row + 1) * n);
    }
    return tensorFromComputed(out, scores.shape, scores.dtype);
  },
  (out) => {
    const weights = saved(out);
    return (g) => {
      const dtype = computeDtype(g.dtype);
      const y = floatElements(weights(), dtype);
      const n = g.shape.at(-1) as number;
      const gradient = dtype.allocate(y.length) as FloatArray;
      kernels().softmaxGrad(floatElements(g, dtype), y, n ? y.length / n : 0, n, 1, gradient, false);
      return [tensorFromComputed(gradient, g.shape, g.dtype)];
    };
  },
);

function isMasked(x: FloatArray, start: number, n: number): boolean {
  for (let i = start; i < start + n; i++) if (x[i] !== -Infinity) return false;
  return true;
}
