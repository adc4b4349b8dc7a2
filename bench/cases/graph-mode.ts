/**
 * Graph-mode quantization of whole networks: the time of prepareFx and convertFx together. (PyTorch 2.6 takes 0.47 s for
 * ResNet-18 and 0.87 s for MobileNetV2.)
 */
import { noGrad, quantization as q, randn } from "../../src/index.ts";
import type { fx, nn } from "../../src/index.ts";
import type { BenchCase } from "../harness.ts";
import { MobileNetV2 } from "../networks/mobilenet.ts";
import { ResNet18 } from "../networks/resnet.ts";
import { octetName } from "./data.ts";

export async function graphModeCases(): Promise<BenchCase[]> {
  return [graphModeCase("ResNet-18", new ResNet18()), graphModeCase("MobileNetV2", new MobileNetV2())];
}

/** The statistics that calibration would leave are copied from one small run, which is not timed. */
function graphModeCase(name: string, model: nn.Module): BenchCase {
  model.eval();
  const mapping = q.getDefaultQconfigMapping("x86");
  const example = randn([1, 3, 32, 32]);
  let calibrated: ReturnType<fx.GraphModule["stateDict"]> | undefined;
  const run = (): void => {
    const prepared = q.prepareFx(model, mapping, [example]);
    calibrated ??= calibrate(prepared, example);
    prepared.loadStateDict(calibrated);
    q.convertFx(prepared);
  };
  return { group: "graph mode", name: `prepare + convert ${name}`, contestants: [{ who: octetName(), run }] };
}

function calibrate(prepared: fx.GraphModule, example: ReturnType<typeof randn>) {
  noGrad(() => prepared(example));
  return prepared.stateDict();
}
