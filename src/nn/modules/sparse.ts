/** Look-up tables as layers: Embedding and EmbeddingBag (`torch.nn`). Their gradients are dense. */
import { check, formatShape } from "../../core/errors.ts";
import type { BagMode } from "../../ops/embedding.ts";
import { embedding, embeddingBag } from "../../ops/embedding.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { normal_ } from "../init.ts";
import { Module } from "../module.ts";
import { Parameter } from "../parameter.ts";
import { pythonFloat } from "../repr.ts";
import { newParameter } from "./linear.ts";

export interface TableOptions {
  /** Row of padding: starts at zero and gets no gradient; bags leave it out. May be negative. */
  readonly paddingIdx?: number | null;
  /** Scales rows that are looked up down to this norm, in place. */
  readonly maxNorm?: number | null;
  /** The p of the norm for `maxNorm`, default 2. */
  readonly normType?: number;
  /** Divides each row's gradient by how often a call looked it up. */
  readonly scaleGradByFreq?: boolean;
  /** Not supported: gradients are always dense. Setting it is an error. */
  readonly sparse?: boolean;
}

export interface PretrainedOptions {
  /** Keeps the table out of training; default true. */
  readonly freeze?: boolean;
}

export interface EmbeddingBagModuleOptions extends TableOptions {
  /** How a bag becomes one row, default "mean". */
  readonly mode?: BagMode;
  /** Offsets passed to `forward` hold the end of the last bag too. */
  readonly includeLastOffset?: boolean;
}

/** What both layers share: the table and how it is looked up. */
class Table extends Module {
  weight: Parameter;
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;

  /** `table` null: a fresh one, drawn from the standard normal distribution. */
  constructor(numEmbeddings: number, embeddingDim: number, options: TableOptions, table: Parameter | null) {
    super();
    for (const [key, size] of Object.entries({ numEmbeddings, embeddingDim })) {
      check(
        Number.isInteger(size) && size >= 0,
        () => `${this.getName()}: ${key} must be a whole number of at least 0, got ${size}`,
      );
    }
    check(!options.sparse, () => `${this.getName()}: sparse gradients are not supported; leave the option sparse out`);
    this.weight = table ?? newParameter(numEmbeddings, embeddingDim);
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = this.wrapPaddingIdx(options.paddingIdx ?? null);
    this.maxNorm = options.maxNorm ?? null;
    this.normType = options.normType ?? 2;
    this.scaleGradByFreq = options.scaleGradByFreq ?? false;
    if (!table) this.resetParameters();
  }

  private wrapPaddingIdx(paddingIdx: number | null): number | null {
    if (paddingIdx === null) return null;
    const rows = this.numEmbeddings;
    check(
      Number.isInteger(paddingIdx) && paddingIdx >= -rows && paddingIdx < rows,
      () => `${this.getName()}: paddingIdx ${paddingIdx} is out of range for ${rows} embeddings`,
    );
    return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
  }

  /** Draws the table from the standard normal distribution, except for the padding row, which becomes zero. */
  resetParameters(): void {
    normal_(this.weight);
    this.zeroPadding();
  }

  private zeroPadding(): void {
    if (this.paddingIdx === null) return;
    const { weight, embeddingDim } = this;
    for (let d = 0; d < embeddingDim; d++) weight.writeAt(weight.offset + this.paddingIdx * embeddingDim + d, 0);
    weight.bumpVersion();
  }

  protected tableOptions(): TableOptions {
    const { paddingIdx, maxNorm, normType, scaleGradByFreq } = this;
    return { paddingIdx, maxNorm, normType, scaleGradByFreq };
  }

  /** The leading parts of {@link extraRepr}, which both layers print alike. */
  protected sizesRepr(): string[] {
    return [`${this.numEmbeddings}, ${this.embeddingDim}`];
  }

  protected normRepr(): string[] {
    const { maxNorm, normType, scaleGradByFreq } = this;
    return [
      ...(maxNorm === null ? [] : [`max_norm=${pythonFloat(maxNorm)}`]),
      ...(normType === 2 ? [] : [`norm_type=${pythonFloat(normType)}`]),
      ...(scaleGradByFreq ? ["scale_grad_by_freq=True"] : []),
    ];
  }

  protected paddingRepr(): string[] {
    return this.paddingIdx === null ? [] : [`padding_idx=${this.paddingIdx}`];
  }
}

function pretrained(op: string, table: Tensor, { freeze = true }: PretrainedOptions): Parameter {
  check(
    table.ndim === 2,
    () => `${op}.fromPretrained: the table must have 2 dimensions, got shape ${formatShape(table.shape)}`,
  );
  return new Parameter(table, { requiresGrad: !freeze });
}

/**
 * A table of `numEmbeddings` rows of `embeddingDim` (`torch.nn.Embedding`): integers of any shape give their rows,
 * [*, embeddingDim]. Throws if an index is out of range.
 */
export class Embedding extends Table {
  constructor(numEmbeddings: number, embeddingDim: number, options: TableOptions = {}, table: Parameter | null = null) {
    super(numEmbeddings, embeddingDim, options, table);
  }

  /** A layer over an existing table [rows, dim], which it shares. */
  static fromPretrained(table: Tensor, options: TableOptions & PretrainedOptions = {}): Embedding {
    const weight = pretrained("Embedding", table, options);
    return new Embedding(table.shape[0], table.shape[1], options, weight);
  }

  override forward(input: Tensor): Tensor {
    return embedding(input, this.weight, this.tableOptions());
  }

  override extraRepr(): string {
    return [...this.sizesRepr(), ...this.paddingRepr(), ...this.normRepr()].join(", ");
  }
}

/**
 * Rows of a table reduced over bags (`torch.nn.EmbeddingBag`): [B, n] gives [B, dim], and so does a list of indices with
 * the offset at which each of B bags starts.
 */
export class EmbeddingBag extends Table {
  readonly mode: BagMode;
  readonly includeLastOffset: boolean;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: EmbeddingBagModuleOptions = {},
    table: Parameter | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, table);
    this.mode = options.mode ?? "mean";
    this.includeLastOffset = options.includeLastOffset ?? false;
  }

  /** A layer over an existing table [rows, dim], which it shares. */
  static fromPretrained(table: Tensor, options: EmbeddingBagModuleOptions & PretrainedOptions = {}): EmbeddingBag {
    const weight = pretrained("EmbeddingBag", table, options);
    return new EmbeddingBag(table.shape[0], table.shape[1], options, weight);
  }

  override forward(input: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { mode, includeLastOffset } = this;
    return embeddingBag(input, this.weight, offsets, {
      ...this.tableOptions(),
      mode,
      includeLastOffset,
      perSampleWeights,
    });
  }

  override extraRepr(): string {
    return [...this.sizesRepr(), ...this.normRepr(), `mode='${this.mode}'`, ...this.paddingRepr()].join(", ");
  }
}
