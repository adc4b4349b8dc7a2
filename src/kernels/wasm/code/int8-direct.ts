/**
 * The direct int8 convolution of one channel by one channel's taps (depthwise): without neighbours to share a window with,
 * packing would cost more than the arithmetic. Tables and images are those of int8-pack.ts.
 */
import type { ModuleBuilder } from "../assembler.ts";
import { f32x4, i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { i32x4 } from "../integer-instructions.ts";
import { EightPixels, interleave } from "./int8-pack.ts";

/** directInt8: sums[x] = Σ_t weight[t] · image[X[x] + T[t]], `groups` times eight pixels, `pairs` pairs of taps. */
export function emitInt8Direct(module: ModuleBuilder): void {
  const types = {
    image: "i32",
    corners: "i32",
    groups: "i32",
    taps: "i32",
    pairs: "i32",
    weights: "i32",
    sums: "i32",
  } as const;
  module.func("directInt8", types, (f, p) => {
    const [tap, weight, pairsLeft] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const totals = [f.local("v128"), f.local("v128")];
    const factor = f.local("v128");
    const reader = new EightPixels(f, p.image, p.corners);
    const sumTaps = (read: (offset: Value<"i32">) => Value<"v128">): void => {
      f.set(tap, p.taps);
      f.set(weight, p.weights);
      f.set(pairsLeft, p.pairs);
      for (const total of totals) f.set(total, f32x4.zero());
      f.repeat(pairsLeft, () => {
        f.set(factor, v128.loadSplat32(weight));
        interleave(f, read(i32.load(tap)), read(i32.load(tap, 4))).forEach((half, i) =>
          f.set(totals[i], i32x4.add(totals[i], i32x4.dotI16(half, factor))),
        );
        f.increase(tap, 8);
        f.increase(weight, 4);
      });
    };
    f.repeat(p.groups, () => {
      reader.eachWay(sumTaps);
      totals.forEach((total, i) => f.run(v128.store(p.sums, total, 16 * i)));
      f.increase(p.sums, 32);
    });
  });
}
