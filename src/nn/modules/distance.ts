/** Distances as modules (`torch.nn`). The functions are in ops/loss-margin.ts. */
import type { CosineSimilarityOptions, PairwiseDistanceOptions } from "../../ops/loss-margin.ts";
import { cosineSimilarity, pairwiseDistance } from "../../ops/loss-margin.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";

/** a · b / (|a| |b|) along one dimension. */
export class CosineSimilarity extends Module {
  readonly dim: number;
  readonly eps: number;

  constructor(options: CosineSimilarityOptions = {}) {
    super();
    this.dim = options.dim ?? 1;
    this.eps = options.eps ?? 1e-8;
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    const { dim, eps } = this;
    return cosineSimilarity(a, b, { dim, eps });
  }
}

/** The norm of the difference, along the last dimension. (Its degree is the option `p`; PyTorch's attribute is `norm`.) */
export class PairwiseDistance extends Module {
  readonly norm: number;
  readonly eps: number;
  readonly keepdim: boolean;

  constructor(options: PairwiseDistanceOptions = {}) {
    super();
    this.norm = options.p ?? 2;
    this.eps = options.eps ?? 1e-6;
    this.keepdim = options.keepdim ?? false;
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    const { norm: p, eps, keepdim } = this;
    return pairwiseDistance(a, b, { p, eps, keepdim });
  }
}
