/** Quantized convolutions to which a tensor is added (`torch.ao.nn.intrinsic.quantized`). PyTorch runs them on engine onednn only. */
import { convAdd, convAddRelu } from "../../../ops/quantized/conv.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { addendOf } from "./fused.ts";
import { quantizedConvs } from "./quantized.ts";

/** The convolution of `x` plus `addend`, rounded once. */
export class ConvAdd2d extends quantizedConvs[2].Conv {
  override forward(x: Tensor, addend?: Tensor): Tensor {
    return convAdd(this.padded(x), addendOf(this.getName(), addend), this.packed, this.scale, this.zero_point);
  }
}

/** {@link ConvAdd2d} followed by ReLU. */
export class ConvAddReLU2d extends ConvAdd2d {
  override forward(x: Tensor, addend?: Tensor): Tensor {
    return convAddRelu(this.padded(x), addendOf(this.getName(), addend), this.packed, this.scale, this.zero_point);
  }
}
