/** The Transformer's encoder (`torch.nn.TransformerEncoderLayer`, `torch.nn.TransformerEncoder`). */
import { check } from "../../core/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { gelu, relu } from "../../ops/activation.ts";
import { add } from "../../ops/elementwise.ts";
import { Module } from "../module.ts";
import { ModuleList } from "./container.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { MultiheadAttention } from "./multihead-attention.ts";
import { LayerNorm } from "./norm.ts";

export interface TransformerEncoderLayerOptions {
  /** Inner features of the feed-forward block, default 2048. */
  readonly dimFeedforward?: number;
  /** Default 0.1. */
  readonly dropout?: number;
  /** Default "relu". */
  readonly activation?: "relu" | "gelu" | ((x: Tensor) => Tensor);
  /** Default 1e-5. */
  readonly layerNormEps?: number;
  /** Inputs are [batch, length, features] instead of [length, batch, features]. */
  readonly batchFirst?: boolean;
  /** Normalizes before each block instead of after it. */
  readonly normFirst?: boolean;
  /** Biases of all layers; default true. */
  readonly bias?: boolean;
}

/** Masks of an encoder layer's call; see {@link MultiheadAttention}. */
export interface EncoderMasks {
  readonly srcMask?: Tensor | null;
  readonly srcKeyPaddingMask?: Tensor | null;
  /** Tells that `srcMask` is the causal mask. */
  readonly isCausal?: boolean;
}

/** Self-attention and a feed-forward block, each with a residual connection, dropout and a norm: [L, N, dModel] to the same. */
export class TransformerEncoderLayer extends Module {
  self_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  readonly normFirst: boolean;
  readonly activation: (x: Tensor) => Tensor;

  constructor(dModel: number, nhead: number, options: TransformerEncoderLayerOptions = {}) {
    super();
    const { dimFeedforward = 2048, dropout = 0.1, layerNormEps: eps = 1e-5, bias = true, batchFirst = false } = options;
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout, bias, batchFirst });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias });
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel, { bias });
    this.norm1 = new LayerNorm(dModel, { eps, bias });
    this.norm2 = new LayerNorm(dModel, { eps, bias });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.normFirst = options.normFirst ?? false;
    this.activation = activationOf(options.activation ?? "relu");
  }

  override forward(src: Tensor, masks: EncoderMasks = {}): Tensor {
    if (this.normFirst) {
      const x = add(src, this.attend(this.norm1(src), masks));
      return add(x, this.feedForward(this.norm2(x)));
    }
    const x = this.norm1(add(src, this.attend(src, masks)));
    return this.norm2(add(x, this.feedForward(x)));
  }

  private attend(x: Tensor, { srcMask: attnMask, srcKeyPaddingMask: keyPaddingMask, isCausal }: EncoderMasks): Tensor {
    const [output] = this.self_attn(x, x, x, { attnMask, keyPaddingMask, isCausal, needWeights: false });
    return this.dropout1(output);
  }

  private feedForward(x: Tensor): Tensor {
    return this.dropout2(this.linear2(this.dropout(this.activation(this.linear1(x)))));
  }
}

function activationOf(activation: NonNullable<TransformerEncoderLayerOptions["activation"]>): (x: Tensor) => Tensor {
  if (typeof activation === "function") return activation;
  check(
    activation === "relu" || activation === "gelu",
    () => `TransformerEncoderLayer: activation must be relu, gelu or a function, got ${String(activation)}`,
  );
  return activation === "relu" ? relu : (x) => gelu(x);
}

export interface TransformerEncoderOptions {
  /** Normalizes the last layer's output. */
  readonly norm?: LayerNorm | null;
}

/** A stack of `numLayers` copies of an encoder layer. */
export class TransformerEncoder extends Module {
  layers: ModuleList;
  readonly numLayers: number;
  norm: LayerNorm | null;

  constructor(encoderLayer: TransformerEncoderLayer, numLayers: number, options: TransformerEncoderOptions = {}) {
    super();
    this.layers = new ModuleList(Array.from({ length: numLayers }, () => encoderLayer.deepCopy()));
    this.numLayers = numLayers;
    this.norm = options.norm ?? null;
  }

  override forward(src: Tensor, masks: EncoderMasks = {}): Tensor {
    let x = src;
    for (const layer of this.layers) x = (layer as TransformerEncoderLayer)(x, masks);
    return this.norm ? this.norm(x) : x;
  }
}
