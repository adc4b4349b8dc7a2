/** The recipes of convolutions of every rank and of what is fused with them. */
import { ReLU } from "../../../nn/modules/activation.ts";
import { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../../../nn/modules/conv.ts";
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from "../../../nn/modules/norm.ts";
import { fuseConvBn, fuseConvBnRelu, fuseConvTransposeBn, wrapInto } from "../fusers.ts";
import type { ModuleClass, Recipe } from "../recipe.ts";
import * as quantizedAdd from "./add.ts";
import * as fused from "./fused.ts";
import { qatConvClasses } from "./qat.ts";
import { quantizedConvs } from "./quantized.ts";
import { referenceConvClasses } from "./reference.ts";

interface Floats {
  readonly conv: ModuleClass;
  readonly convTranspose: ModuleClass;
  readonly bn: ModuleClass;
  readonly ConvReLU: typeof fused.ConvReLU2d;
  readonly ConvBn: typeof fused.ConvBn2d;
  readonly ConvBnReLU: typeof fused.ConvBnReLU2d;
}

/** PyTorch's default mapping trains plain and ReLU-fused convolutions of ranks 2 and 3 only. */
function convRecipes(rank: 1 | 2 | 3, { conv, convTranspose, bn, ConvReLU, ConvBn, ConvBnReLU }: Floats): Recipe[] {
  const qat = qatConvClasses[rank];
  const quantized = quantizedConvs[rank];
  const reference = referenceConvClasses[rank];
  return [
    {
      float: conv,
      ...(rank > 1 && { qat: qat.Conv }),
      quantized: quantized.Conv,
      reference: reference.Conv,
      observed: true,
    },
    {
      float: convTranspose,
      quantized: quantized.ConvTranspose,
      reference: reference.ConvTranspose,
      fusions: [{ pattern: [convTranspose, bn], fuse: fuseConvTransposeBn }],
      observed: true,
    },
    {
      float: ConvReLU,
      ...(rank > 1 && { qat: qat.ConvReLU }),
      quantized: quantized.ConvReLU,
      fusions: [{ pattern: [conv, ReLU], fuse: wrapInto(ConvReLU) }],
      observed: true,
    },
    {
      float: ConvBn,
      qat: qat.ConvBn,
      quantizedFromQat: quantized.Conv,
      fusions: [{ pattern: [conv, bn], fuse: fuseConvBn(ConvBn) }],
      observed: true,
    },
    {
      float: ConvBnReLU,
      qat: qat.ConvBnReLU,
      quantizedFromQat: quantized.ConvReLU,
      fusions: [{ pattern: [conv, bn, ReLU], fuse: fuseConvBnRelu(ConvBnReLU, ConvReLU) }],
      observed: true,
    },
  ];
}

export const convolutionRecipes: readonly Recipe[] = [
  ...convRecipes(1, {
    conv: Conv1d,
    convTranspose: ConvTranspose1d,
    bn: BatchNorm1d,
    ConvReLU: fused.ConvReLU1d,
    ConvBn: fused.ConvBn1d,
    ConvBnReLU: fused.ConvBnReLU1d,
  }),
  ...convRecipes(2, {
    conv: Conv2d,
    convTranspose: ConvTranspose2d,
    bn: BatchNorm2d,
    ConvReLU: fused.ConvReLU2d,
    ConvBn: fused.ConvBn2d,
    ConvBnReLU: fused.ConvBnReLU2d,
  }),
  ...convRecipes(3, {
    conv: Conv3d,
    convTranspose: ConvTranspose3d,
    bn: BatchNorm3d,
    ConvReLU: fused.ConvReLU3d,
    ConvBn: fused.ConvBn3d,
    ConvBnReLU: fused.ConvBnReLU3d,
  }),
  { float: fused.ConvAdd2d, quantized: quantizedAdd.ConvAdd2d, observed: true },
  { float: fused.ConvAddReLU2d, quantized: quantizedAdd.ConvAddReLU2d, observed: true },
].map((recipe) => Object.freeze(recipe));
