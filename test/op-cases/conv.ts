/** How the convolutions of src/ops/conv.ts, their modules, and padding are called. */
import type * as nn from "../../src/nn/index.ts";
import * as ops from "../../src/ops/conv.ts";
import type { PadOptions } from "../../src/ops/pad.ts";
import { pad } from "../../src/ops/pad.ts";
import type { OpCase, OpTable } from "./types.ts";
import { optionsOf } from "./types.ts";

function conv<O>(op: ops.ConvOp<O>): OpCase {
  return { call: ({ input, weight, bias }, kwargs) => op(input, weight, bias, ...(optionsOf(kwargs) as [O?])) };
}

export const convCases: OpTable = {
  conv1d: conv(ops.conv1d),
  conv2d: conv(ops.conv2d),
  conv3d: conv(ops.conv3d),
  convTranspose1d: conv(ops.convTranspose1d),
  convTranspose2d: conv(ops.convTranspose2d),
  convTranspose3d: conv(ops.convTranspose3d),
  ConvTranspose2d: {
    // A case whose output is larger than the layer's own choice asks for that size.
    run: (module, { input }) => {
      const layer = module as nn.ConvTranspose2d;
      return layer.stride[0] === 3 ? layer(input, [9, 11]) : layer(input);
    },
  },
  pad: { call: ({ x }, { pad: amounts, ...options }) => pad(x, amounts as number[], options as PadOptions) },
};
