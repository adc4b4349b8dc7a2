/** Whole eager-mode flows against PyTorch's: qparams, integer weights and outputs of a small residual network. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nn, noGrad, quantization as q } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";

const path = new URL("../golden/quantization/eager-flows.safetensors", import.meta.url);
const file = readSafetensors(readFileSync(path));
const golden = (key: string): Tensor => {
  const found = file.tensors.get(key);
  if (!found) throw new Error(`the golden file has no ${key}`);
  return found;
};
interface Flow {
  readonly engine: "qnnpack" | "onednn";
  readonly backend: "qnnpack" | "x86";
  readonly flow: "static" | "qat";
  readonly printed: string;
}
const flows = JSON.parse(file.metadata.get("flows") as string) as Flow[];

class Net extends nn.Module {
  quant = new q.QuantStub();
  conv1 = new nn.Conv2d(3, 8, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(8);
  relu1 = new nn.ReLU();
  conv2 = new nn.Conv2d(8, 8, 3, { padding: 1, groups: 8, bias: false });
  bn2 = new nn.BatchNorm2d(8);
  skip = new nn.quantized.FloatFunctional();
  conv3 = new nn.Conv2d(8, 12, 1);
  relu3 = new nn.ReLU();
  pool = new nn.MaxPool2d(2);
  fc = new nn.Linear(12 * 8 * 8, 5);
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    let x = this.quant(input);
    x = this.relu1(this.bn1(this.conv1(x)));
    x = this.skip.add(x, this.bn2(this.conv2(x)));
    x = this.pool(this.relu3(this.conv3(x)));
    return this.dequant(this.fc(x.flatten(1)));
  }
}

const FUSE = [
  ["conv1", "bn1", "relu1"],
  ["conv2", "bn2"],
  ["conv3", "relu3"],
];

function network(): Net {
  const net = new Net();
  const state = [...file.tensors].filter(([key]) => key.startsWith("state/"));
  net.loadStateDict(new Map(state.map(([key, value]) => [key.slice("state/".length), value])));
  return net;
}

/** 20 · log10(‖x‖ / ‖x − y‖), in decibels. */
function sqnr(x: Tensor, y: Tensor): number {
  const [signal, noise] = [x, x.sub(y)].map((t) => Math.sqrt(t.square().sum().item()));
  return 20 * Math.log10(signal / noise);
}

function run(flow: Flow): Net {
  const qat = flow.flow === "qat";
  const fused = (qat ? q.fuseModulesQat : q.fuseModules)(network().train(qat), FUSE);
  fused.qconfig = qat ? q.getDefaultQatQconfig(flow.backend, 0) : q.getDefaultQconfig(flow.backend);
  const prepared = qat ? q.prepareQat(fused) : q.prepare(fused.eval());
  noGrad(() => {
    for (const batch of golden("calibration").split(4)) prepared(batch);
  });
  return q.convert(prepared.eval());
}

describe("eager mode gives PyTorch's int8 network", () => {
  for (const flow of flows) {
    const name = `${flow.engine}/${flow.flow}`;
    it(name, () => {
      q.withEngine(flow.engine, () => {
        const int8 = run(flow);
        let [compared, differing] = [0, 0];
        for (const [key, tensor] of file.tensors) {
          const [, kind, modulePath] = key.startsWith(`${name}/`) ? key.slice(flow.engine.length + 1).split("/") : [];
          if (!kind || !modulePath) continue;
          const module = int8.getSubmodule(modulePath) as nn.Module & { weight(): Tensor };
          if (kind === "qparams") {
            const { scale, zero_point } = module as unknown as Record<"scale" | "zero_point", number | Tensor>;
            const [expectedScale, expectedZero] = Array.from(tensor.elements());
            const value = (x: number | Tensor) => (typeof x === "number" ? x : x.item());
            // In training, fake quantization rounds what the next observer sees: a float sum that differs in its last bit can
            // move a value by a whole step, and with it a range.
            const tolerance = flow.flow === "qat" ? 1e-3 : 1e-5;
            expect(Math.abs(value(scale) / expectedScale - 1), `${key} scale`).toBeLessThan(tolerance);
            expect(value(zero_point), `${key} zero point`).toBe(expectedZero);
          } else if (kind === "weight") {
            const ints = module.weight().intRepr().elements();
            const expected = tensor.elements();
            compared += ints.length;
            ints.forEach((v, i) => (differing += v === expected[i] ? 0 : 1));
          }
        }
        const withoutNumbers = (text: string) => text.replaceAll(/scale=(tensor\(\[)?[\d.e-]+/g, "scale=…");
        expect(withoutNumbers(String(int8))).toBe(withoutNumbers(flow.printed));
        const expected = golden(`${name}/out`);
        const out = int8(golden("test"));
        const toPyTorch = sqnr(expected, out);
        const [ours, theirs] = [out, expected].map((o) => sqnr(golden("float"), o));
        console.log(
          `${name}: ${compared} weight integers compared, ${differing} differ; SQNR to PyTorch's int8 ${toPyTorch.toFixed(1)} dB, ` +
            `to float ${ours.toFixed(2)} dB (PyTorch ${theirs.toFixed(2)} dB)`,
        );
        expect(differing).toBeLessThanOrEqual(compared * 0.002);
        expect(toPyTorch).toBeGreaterThanOrEqual(40);
        expect(ours).toBeGreaterThanOrEqual(theirs - 0.5);
      });
    });
  }

  it("dynamic", () => {
    q.withEngine("qnnpack", () => {
      const model = q.quantizeDynamic(new nn.Sequential(network().eval().fc), new Set([nn.Linear]));
      expect(sqnr(golden("dynamic/out"), model(golden("dynamic/in")))).toBeGreaterThanOrEqual(40);
    });
  });
});
