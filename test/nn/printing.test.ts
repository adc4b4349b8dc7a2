/** Modules print as PyTorch's do. tools/golden/module_printing.py made the same modules there. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nn, zeros } from "../../src/index.ts";

const file = new URL("../golden/module-printing.json", import.meta.url);
const { printed } = JSON.parse(readFileSync(file, "utf8")) as { printed: Record<string, string> };

const relu = new nn.ReLU();
const parameters = { w: zeros(2, 3), b: zeros(4).double() };
const others: Record<string, () => nn.Module> = {
  "ReLU inplace": () => new nn.ReLU({ inplace: true }),
  "ReLU6 inplace": () => new nn.ReLU6({ inplace: true }),
  "Hardswish inplace": () => new nn.Hardswish({ inplace: true }),
  "Hardtanh options": () => new nn.Hardtanh({ minVal: -2, maxVal: 0.5, inplace: true }),
  "ELU options": () => new nn.ELU(0.4, { inplace: true }),
  "CELU options": () => new nn.CELU({ alpha: 0.4, inplace: true }),
  "SELU inplace": () => new nn.SELU({ inplace: true }),
  "GELU tanh": () => new nn.GELU({ approximate: "tanh" }),
  "SiLU inplace": () => new nn.SiLU({ inplace: true }),
  "LeakyReLU options": () => new nn.LeakyReLU(0.2, { inplace: true }),
  "LeakyReLU tiny": () => new nn.LeakyReLU({ negativeSlope: 1e-5 }),
  "PReLU options": () => new nn.PReLU(8, { init: 0.3 }),
  "Softmax dim": () => new nn.Softmax({ dim: -1 }),
  "LogSoftmax dim": () => new nn.LogSoftmax(1),
  "Softmin dim": () => new nn.Softmin(1),
  "GLU dim": () => new nn.GLU(1),
  "Softplus options": () => new nn.Softplus({ beta: 2, threshold: 10 }),
  "Softshrink options": () => new nn.Softshrink(0.3),
  "Hardshrink options": () => new nn.Hardshrink({ lambd: 1 }),
  Threshold: () => new nn.Threshold(0.5, -7),
  "Threshold inplace": () => new nn.Threshold(0.5, -7, { inplace: true }),
  "Dropout options": () => new nn.Dropout(0.2, { inplace: true }),
  "Flatten options": () => new nn.Flatten(0, 2),
  Unflatten: () => new nn.Unflatten(1, [2, 3]),
  "Identity arguments": () => new nn.Identity(54, { unused: 0.1 }),
  Sequential: () =>
    new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Sequential(new nn.Linear(4, 4), new nn.Tanh())),
  "Sequential names": () =>
    new nn.Sequential([
      ["fc", new nn.Linear(3, 4)],
      ["10", new nn.ReLU()],
      ["2", new nn.Tanh()],
    ]),
  "Sequential shared": () => new nn.Sequential(relu, new nn.Tanh(), relu),
  ModuleList: () => new nn.ModuleList([new nn.Linear(2, 2), new nn.Linear(2, 2), new nn.ReLU(), new nn.Linear(2, 2)]),
  "ModuleList nested": () =>
    new nn.ModuleList([0, 1, 2].map(() => new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU()))),
  ModuleDict: () => new nn.ModuleDict({ b: new nn.ReLU(), a: new nn.ModuleList([new nn.ReLU(), new nn.ReLU()]) }),
  ParameterList: () => new nn.ParameterList([zeros(2, 3), zeros(4)]),
  "ParameterList one": () => new nn.ParameterList([zeros(2, 3)]),
  "ParameterList double": () => new nn.ParameterList([zeros(2).double(), zeros([]).double()]),
  ParameterDict: () => new nn.ParameterDict(parameters),
  "in a list": () =>
    new nn.Sequential(new nn.ParameterList([zeros(2, 3)]), new nn.ParameterDict({ w: zeros(1), b: zeros(2) })),
};

type ModuleClass = new () => nn.Module;

describe("printing", () => {
  it.each(Object.entries(printed))("%s", (name, text) => {
    const make = others[name] ?? (() => new (nn as unknown as Record<string, ModuleClass>)[name]());
    expect(make().toString()).toBe(text);
  });

  it("covers every module that is made here", () => {
    expect(Object.keys(others).filter((name) => !(name in printed))).toEqual([]);
  });

  it("is what template strings show", () => {
    expect(`${new nn.ReLU()}`).toBe("ReLU()");
  });
});
