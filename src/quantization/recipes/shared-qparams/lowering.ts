/** What moves elements, or chooses or averages among them, takes quantized tensors as they are. */
import { ChannelShuffle } from "../../../nn/modules/upsample.ts";
import { channelShuffle } from "../../../ops/upsample.ts";
import type { LoweringEntries } from "../lowering.ts";
import { metadata, sameForAll } from "../lowering.ts";
import type { ModuleClass } from "../recipe.ts";
import { sharedQparamsFunctions, sharedQparamsMethods, sharedQparamsModules } from "./patterns.ts";

export const sharedQparamsLowerings: LoweringEntries = [
  ...sameForAll([...sharedQparamsFunctions, ...sharedQparamsMethods, channelShuffle]),
  ["shape", metadata],
  ["size", metadata],
];

export const sharedQparamsOnIntegers: readonly ModuleClass[] = [...sharedQparamsModules, ChannelShuffle];

/** Positions of a method's arguments that are sizes, positions or masks. */
export const plainArguments: ReadonlyMap<string, readonly number[] | "all but the first"> = new Map<
  string,
  readonly number[] | "all but the first"
>([
  ["masked_fill", [1, 2]],
  ["permute", "all but the first"],
  ["repeat", "all but the first"],
  ["reshape", "all but the first"],
  ["size", [1]],
  ["transpose", "all but the first"],
  ["unsqueeze", [1]],
  ["unsqueeze_", [1]],
  ["view", "all but the first"],
]);
