/** Small models and data for the tests of commands. */
import type { GraphModule } from "../../src/fx/graph-module.ts";
import type { Tensor } from "octet";
import { float32, fx, manualSeed, nn, quantization as q, randn } from "octet";

export class Net extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { padding: 1 });
  fc = new nn.Linear(4, 5);

  override forward(x: Tensor): Tensor {
    return this.fc(this.conv(x).relu().mean([2, 3]));
  }
}

export function floatNet(): GraphModule {
  manualSeed(1);
  return fx.symbolicTrace(new Net().eval());
}

export function quantizedNet(): GraphModule {
  manualSeed(1);
  const example = randn([1, 3, 8, 8]);
  const prepared = q.prepareFx(new Net().eval(), q.getDefaultQconfigMapping("x86"), [example]);
  for (let i = 0; i < 3; i++) prepared(randn([2, 3, 8, 8]));
  return q.convertFx(prepared);
}

/** What an archive of {@link Net} says about its input, where it says something. */
export const netInput = { name: "x", dtype: float32, shape: ["N", 3, 8, 8] } as const;
