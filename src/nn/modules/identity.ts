/** Identity: a layer that does nothing (`torch.nn.Identity`). */
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";

/** Returns its input. Takes and ignores any arguments, so that it can stand in for any layer. */
export class Identity extends Module {
  constructor(..._args: readonly unknown[]) {
    super();
  }

  override forward(input: Tensor): Tensor {
    return input;
  }
}
