/** Optimizers and schedulers against PyTorch's, step by step, and their errors. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nn, optim, tensor } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { camelCaseKeys } from "../golden.ts";

const file = readSafetensors(readFileSync(new URL("../golden/optim/optim.safetensors", import.meta.url)));
const listed = <T>(key: string) => JSON.parse(file.metadata.get(key) as string) as T[];
const optimizers = listed<{ case: string; name: "SGD" | "Adam" | "AdamW"; options: Record<string, unknown> }>(
  "optimizers",
);
const schedulers = listed<{
  name: "StepLR" | "MultiStepLR" | "ExponentialLR" | "CosineAnnealingLR";
  args: unknown[];
  options: Record<string, unknown>;
  rates: number[];
}>("schedulers");

const get = (key: string) => file.tensors.get(key) as Tensor;

const optimizerClasses = { SGD: optim.SGD, Adam: optim.Adam, AdamW: optim.AdamW };
const { StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR } = optim.lrScheduler;
const schedulerClasses = { StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR };

describe("optimizers follow PyTorch", () => {
  for (const { case: name, name: optimizer, options } of optimizers) {
    for (const [tag, tolerance] of [
      ["f32", 1e-5],
      ["f64", 1e-10],
    ] as const) {
      it(`${name} ${JSON.stringify(options)} ${tag}`, () => {
        const p = new nn.Parameter(get(`${name}/${tag}/start`).clone());
        const grads = get(`${name}/${tag}/grads`);
        const after = get(`${name}/${tag}/after`);
        const o = new optimizerClasses[optimizer]([p], camelCaseKeys(options));
        for (let step = 0; step < grads.shape[0]; step++) {
          p.grad = grads.select(0, step).clone();
          o.step();
          expect(p.detach().sub(after.select(0, step)).abs().max().item(), `step ${step}`).toBeLessThan(tolerance);
        }
      });
    }
  }

  it("continues from a saved state as if it had not stopped", () => {
    const make = () => new nn.Parameter(tensor([1, -2, 3]));
    const [a, b] = [make(), make()];
    const [first, second] = [new optim.Adam([a], { lr: 0.1 }), new optim.Adam([b], { lr: 0.3 })];
    const step = (o: optim.Adam, p: nn.Parameter, g: number) => {
      p.grad = tensor([g, 2 * g, -g]);
      o.step();
    };
    step(first, a, 1);
    b.data = a.detach().clone();
    second.loadStateDict(first.stateDict());
    step(first, a, 0.5);
    step(second, b, 0.5);
    expect(b.tolist()).toEqual(a.tolist());
  });

  it("updates parameters of groups with their own rates, and skips those without gradient", () => {
    const [a, b, c] = [1, 1, 1].map((v) => new nn.Parameter(tensor([v])));
    const o = new optim.SGD([{ params: [a] }, { params: [b, c], lr: 0.5 }], { lr: 0.1 });
    a.grad = tensor([1]);
    b.grad = tensor([1]);
    o.step();
    expect([a.item(), b.item(), c.item()]).toEqual([Math.fround(0.9), 0.5, 1]);
    o.zeroGrad();
    expect(a.grad).toBeNull();
  });
});

describe("schedulers follow PyTorch", () => {
  for (const { name, args, options, rates } of schedulers) {
    it(`${name}(${JSON.stringify(args).slice(1, -1)}) ${JSON.stringify(options)}`, () => {
      const optimizer = new optim.SGD([new nn.Parameter(tensor([0]))], { lr: 0.3 });
      const Scheduler = schedulerClasses[name] as new (...args: unknown[]) => optim.lrScheduler.LRScheduler;
      const scheduler = new Scheduler(optimizer, ...args, camelCaseKeys(options));
      for (const rate of rates) {
        expect(scheduler.getLastLr()[0]).toBeCloseTo(rate, 12);
        scheduler.step();
      }
    });
  }
});

describe("bad input", () => {
  const p = () => new nn.Parameter(tensor([1]));
  it.each([
    ["an empty list", () => new optim.SGD([], { lr: 1 }), "SGD: got an empty parameter list"],
    ["a negative rate", () => new optim.Adam([p()], { lr: -1 }), "Adam: invalid learning rate: -1"],
    ["nesterov without momentum", () => new optim.SGD([p()], { nesterov: true }), "nesterov requires a momentum"],
    ["a result of an operator", () => new optim.SGD([p().mul(2)], {}), "non-leaf"],
    [
      "a parameter twice",
      () => {
        const twice = p();
        return new optim.SGD([{ params: [twice] }, { params: [twice] }], {});
      },
      "more than one group",
    ],
  ])("refuses %s", (_what, make, message) => {
    expect(make).toThrow(message);
  });
});
