/** How the operators of src/ops/upsample.ts are called. */
import * as ops from "../../src/ops/upsample.ts";
import type { OpTable } from "./types.ts";
import { direct } from "./types.ts";

export const upsampleCases: OpTable = {
  interpolate: direct(ops.interpolate),
  pixelShuffle: { call: ({ input }, { upscaleFactor }) => ops.pixelShuffle(input, upscaleFactor as number) },
  pixelUnshuffle: { call: ({ input }, { downscaleFactor }) => ops.pixelUnshuffle(input, downscaleFactor as number) },
  channelShuffle: { call: ({ input }, { groups }) => ops.channelShuffle(input, groups as number) },
};
