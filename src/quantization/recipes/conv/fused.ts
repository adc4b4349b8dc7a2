/** Float convolutions fused with what follows them, for one, two and three dimensions (`torch.ao.nn.intrinsic`). */
import { ReLU } from "../../../nn/modules/activation.ts";
import type { ConvNd } from "../../../nn/modules/conv.ts";
import { Conv1d, Conv2d, Conv3d } from "../../../nn/modules/conv.ts";
import type { RunningNorm } from "../../../nn/modules/norm.ts";
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from "../../../nn/modules/norm.ts";
import type { ModuleClass } from "../recipe.ts";
import { fusedClass } from "../fused-module.ts";

function fusedConvs(rank: 1 | 2 | 3, conv: ModuleClass<ConvNd>, bn: ModuleClass<RunningNorm>) {
  return {
    ConvReLU: fusedClass<[ConvNd, ReLU]>(`ConvReLU${rank}d`, [conv, ReLU]),
    ConvBn: fusedClass<[ConvNd, RunningNorm]>(`ConvBn${rank}d`, [conv, bn]),
    ConvBnReLU: fusedClass<[ConvNd, RunningNorm, ReLU]>(`ConvBnReLU${rank}d`, [conv, bn, ReLU]),
  };
}

export const { ConvReLU: ConvReLU1d, ConvBn: ConvBn1d, ConvBnReLU: ConvBnReLU1d } = fusedConvs(1, Conv1d, BatchNorm1d);
export const { ConvReLU: ConvReLU2d, ConvBn: ConvBn2d, ConvBnReLU: ConvBnReLU2d } = fusedConvs(2, Conv2d, BatchNorm2d);
export const { ConvReLU: ConvReLU3d, ConvBn: ConvBn3d, ConvBnReLU: ConvBnReLU3d } = fusedConvs(3, Conv3d, BatchNorm3d);
