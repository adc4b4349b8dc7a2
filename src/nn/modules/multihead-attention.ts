/** Attention with several heads as a layer (`torch.nn.MultiheadAttention`); the computation is in ops/multihead-attention.ts. */
import { check } from "../../core/errors.ts";
import type { MultiheadCallOptions } from "../../ops/multihead-attention.ts";
import { multiHeadAttentionForward } from "../../ops/multihead-attention.ts";
import { transpose } from "../../ops/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { constant_, xavierNormal_, xavierUniform_ } from "../init.ts";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { Linear, newParameter } from "./linear.ts";

/** A Linear layer under a name of its own, so that dynamic quantization leaves it alone. */
export class NonDynamicallyQuantizableLinear extends Linear {}

export interface MultiheadAttentionOptions {
  /** Probability of dropping an attention weight, in training. */
  readonly dropout?: number;
  /** Biases of all projections; default true. */
  readonly bias?: boolean;
  /** One learned key and value more for every sequence. */
  readonly addBiasKv?: boolean;
  /** One key and value of zeros more for every sequence. */
  readonly addZeroAttn?: boolean;
  /** Features of the keys and values, default embedDim. */
  readonly kdim?: number | null;
  readonly vdim?: number | null;
  /** Inputs and output are [batch, length, features] instead of [length, batch, features]. */
  readonly batchFirst?: boolean;
}

/**
 * softmax(q · kᵀ / √E) · v in `numHeads` subspaces of `embedDim`, between linear projections: query [L, N, E], key [S, N, kdim]
 * and value [S, N, vdim] (without N: unbatched) give [output [L, N, E], weights [N, L, S] or null].
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly numHeads: number;
  readonly headDim: number;
  readonly dropout: number;
  readonly batchFirst: boolean;
  readonly addZeroAttn: boolean;
  /** [3E, E], if keys and values have E features; else null, and the three matrices after it take its place. */
  in_proj_weight: Parameter | null = null;
  q_proj_weight: Parameter | null = null;
  k_proj_weight: Parameter | null = null;
  v_proj_weight: Parameter | null = null;
  in_proj_bias: Parameter | null;
  bias_k: Parameter | null;
  bias_v: Parameter | null;
  out_proj: NonDynamicallyQuantizableLinear;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    for (const [key, size] of Object.entries({ embedDim, numHeads })) {
      check(
        Number.isInteger(size) && size > 0,
        () => `MultiheadAttention: ${key} must be a positive whole number, got ${size}`,
      );
    }
    check(
      embedDim % numHeads === 0,
      () => `MultiheadAttention: embedDim ${embedDim} is not divisible by numHeads ${numHeads}`,
    );
    const { bias = true, addBiasKv = false } = options;
    this.embedDim = embedDim;
    this.kdim = options.kdim ?? embedDim;
    this.vdim = options.vdim ?? embedDim;
    this.numHeads = numHeads;
    this.headDim = embedDim / numHeads;
    this.dropout = options.dropout ?? 0;
    this.batchFirst = options.batchFirst ?? false;
    this.addZeroAttn = options.addZeroAttn ?? false;
    if (this.kdim === embedDim && this.vdim === embedDim) {
      this.in_proj_weight = newParameter(3 * embedDim, embedDim);
    } else {
      this.q_proj_weight = newParameter(embedDim, embedDim);
      this.k_proj_weight = newParameter(embedDim, this.kdim);
      this.v_proj_weight = newParameter(embedDim, this.vdim);
    }
    this.in_proj_bias = bias ? newParameter(3 * embedDim) : null;
    this.bias_k = addBiasKv ? newParameter(1, 1, embedDim) : null;
    this.bias_v = addBiasKv ? newParameter(1, 1, embedDim) : null;
    this.out_proj = new NonDynamicallyQuantizableLinear(embedDim, embedDim, { bias });
    this.resetParameters();
  }

  /** Draws the parameters in PyTorch's order: projections by Xavier's uniform rule, biases zero. */
  resetParameters(): void {
    for (const weight of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight]) {
      if (weight) xavierUniform_(weight);
    }
    if (this.in_proj_bias) constant_(this.in_proj_bias, 0);
    if (this.out_proj.bias) constant_(this.out_proj.bias, 0);
    if (this.bias_k) xavierNormal_(this.bias_k);
    if (this.bias_v) xavierNormal_(this.bias_v);
  }

  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadCallOptions = {},
  ): readonly [output: Tensor, attnWeights: Tensor | null] {
    const { in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, out_proj } = this;
    const swapped = this.batchFirst && query.ndim === 3;
    const turn = (x: Tensor) => (swapped ? transpose(x, 0, 1) : x);
    // Equal inputs stay equal, so that self-attention is still recognized.
    const q = turn(query);
    const k = key === query ? q : turn(key);
    const v = value === key ? k : turn(value);
    const weights = {
      inProjWeight: in_proj_weight,
      separate:
        q_proj_weight && k_proj_weight && v_proj_weight && ([q_proj_weight, k_proj_weight, v_proj_weight] as const),
      inProjBias: in_proj_bias,
      biasK: this.bias_k,
      biasV: this.bias_v,
      outProjWeight: out_proj.weight,
      outProjBias: out_proj.bias,
    };
    const { addZeroAttn, dropout: dropoutP, training } = this;
    const [output, attention] = multiHeadAttentionForward(q, k, v, this.numHeads, weights, {
      ...options,
      addZeroAttn,
      dropoutP,
      training,
    });
    return [turn(output), attention];
  }
}
