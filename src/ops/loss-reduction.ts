/** What the loss functions share: how losses become one number, and checks. */
import { OctetError, formatShape } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { mean, sum } from "./reduce.ts";

/** "none" keeps every loss; "mean" (the default) and "sum" make one number of them. */
export type LossReduction = "none" | "mean" | "sum";

export interface ReductionOptions {
  readonly reduction?: LossReduction;
}

export function reduceLoss(op: string, losses: Tensor, reduction: LossReduction = "mean"): Tensor {
  switch (reduction) {
    case "none":
      return losses;
    case "mean":
      return mean(losses);
    case "sum":
      return sum(losses);
    default:
      throw new OctetError(`${op}: ${reduction satisfies never} is not a valid value for reduction`);
  }
}

export function checkSameShape(op: string, input: Tensor, target: Tensor): void {
  if (input.ndim === target.ndim && input.shape.every((size, d) => size === target.shape[d])) return;
  throw new OctetError(
    `${op}: target of shape ${formatShape(target.shape)} must have the shape of the input, ${formatShape(input.shape)}`,
  );
}
