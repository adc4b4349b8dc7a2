/** Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { nn, ones, tensor, zeros } from "../../src/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const names = (module: nn.Module) => [...module.ownModules()].map(([name]) => name);
const kinds = (modules: Iterable<nn.Module>) => [...modules].map((module) => module.getName());

describe("Sequential", () => {
  it("runs modules in order, one that is there twice twice", () => {
    class Twice extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.mul(2);
      }
    }
    const twice = new Twice();
    const net = new nn.Sequential(twice, new nn.ReLU(), twice);
    expect(net(tensor([3, -1])).tolist()).toEqual([12, 0]);
    expect(net.size()).toBe(3);
    expect([...net.children()]).toEqual([twice, net.get(1)]);
    expect([...net]).toEqual([twice, net.get(1), twice]);
  });

  it("returns its input if it is empty", () => {
    const x = ones(2);
    expect(new nn.Sequential()(x)).toBe(x);
  });

  it("takes names, and keeps their order whatever they are", () => {
    const entries: [string, nn.Module][] = [["0", new nn.ReLU()], ["10", new nn.Tanh()], ["2", new nn.Linear(1, 1)]]; // prettier-ignore
    const net = new nn.Sequential(entries);
    expect(names(net)).toEqual(["0", "10", "2"]);
    expect(names(net.deepCopy())).toEqual(["0", "10", "2"]);
    expect([...net.stateDict().keys()]).toEqual(["2.weight", "2.bias"]);
    expect(names(new nn.Sequential(new Map(entries)))).toEqual(["0", "10", "2"]);
    expect(names(new nn.Sequential({ fc: new nn.Linear(1, 1), act: new nn.ReLU() }))).toEqual(["fc", "act"]);
    expect(names(new nn.Sequential(...Array.from({ length: 12 }, () => new nn.ReLU()))).at(-1)).toBe("11");
  });

  it("is indexed, changed and cut", () => {
    const net = new nn.Sequential(new nn.ReLU(), new nn.Tanh(), new nn.Sigmoid());
    expect(net.get(-1)).toBeInstanceOf(nn.Sigmoid);
    expect(() => net.get(3)).toThrow("Sequential: index 3 is out of range for 3 entries");
    net.append(new nn.GELU()).insert(1, new nn.SiLU()).set(0, new nn.Mish());
    expect(kinds(net)).toEqual(["Mish", "SiLU", "Tanh", "Sigmoid", "GELU"]);
    expect(names(net)).toEqual(["0", "1", "2", "3", "4"]);
    expect(net.pop(1).getName()).toBe("SiLU");
    expect(names(net)).toEqual(["0", "1", "2", "3"]);
    const part = net.slice(1, 3);
    expect(kinds(part)).toEqual(["Tanh", "Sigmoid"]);
    expect(names(part)).toEqual(["1", "2"]);
    expect(() => net.insert(9, new nn.ReLU())).toThrow("Sequential: index 9 is out of range for 4 modules");
  });

  it("passes what is not one tensor, if told its type", () => {
    class Pair extends nn.Module {
      override forward(a: Tensor, b: Tensor): Tensor {
        return a.add(b);
      }
    }
    const net = new nn.Sequential<[a: Tensor, b: Tensor]>(new Pair(), new nn.ReLU());
    expectTypeOf(net).parameters.toEqualTypeOf<[a: Tensor, b: Tensor]>();
    expect(net(tensor([1]), tensor([2])).item()).toBe(3);
  });

  it("may be named as its own methods are", () => {
    const net = new nn.Sequential({ forward: new nn.ReLU(), pop: new nn.Tanh() });
    expect(names(net)).toEqual(["forward", "pop"]);
    expect(net(tensor([-1])).item()).toBe(0);
  });

  it("counts the properties of a subclass", () => {
    class Block extends nn.Sequential {
      extra = new nn.Tanh();
    }
    const block = new Block(new nn.ReLU());
    expect(names(block)).toEqual(["0", "extra"]);
    expect(block(tensor([1])).item()).toBeCloseTo(Math.tanh(1), 6);
    block.setChild("extra", new nn.Tanh());
    expect(names(block)).toEqual(["0", "extra"]);
  });
});

describe("ModuleList", () => {
  it("holds modules by position", () => {
    const list = new nn.ModuleList([new nn.Linear(1, 2), new nn.ReLU()]);
    list.append(new nn.Tanh()).extend([new nn.GELU()]).insert(0, new nn.Mish());
    expect(kinds(list)).toEqual(["Mish", "Linear", "ReLU", "Tanh", "GELU"]);
    expect([...list.stateDict().keys()]).toEqual(["1.weight", "1.bias"]);
    expect(list.pop().getName()).toBe("GELU");
    expect(kinds(list.slice(-2))).toEqual(["ReLU", "Tanh"]);
    expect(list.extend(list).size()).toBe(8);
    expect(() => list()).toThrow('Module [ModuleList] is missing the required "forward" function');
  });
});

describe("ModuleDict", () => {
  it("holds modules by name, in order", () => {
    const dict = new nn.ModuleDict({ conv: new nn.ReLU(), get: new nn.Tanh() });
    dict.update([["10", new nn.Mish()], ["2", new nn.Linear(1, 1)]]).set("conv", new nn.GELU()); // prettier-ignore
    expect(dict.keys()).toEqual(["conv", "get", "10", "2"]);
    expect([...dict]).toEqual(dict.keys());
    expect(kinds(dict.values())).toEqual(["GELU", "Tanh", "Mish", "Linear"]);
    expect(dict.entries()[1][0]).toBe("get");
    expect([dict.size(), dict.has("10"), dict.has("x")]).toEqual([4, true, false]);
    expect(dict.pop("get")).toBeInstanceOf(nn.Tanh);
    expect(() => dict.get("get")).toThrow('ModuleDict: there is no module "get"; there are: conv, 10, 2');
    dict.clear();
    expect(dict.size()).toBe(0);
  });
});

describe("ParameterList and ParameterDict", () => {
  it("hold parameters by position", () => {
    const list = new nn.ParameterList([zeros(2), new nn.Parameter(ones(3), { requiresGrad: false })]);
    list.append(ones(1)).set(0, ones(2));
    expect([...list.namedParameters()].map(([name]) => name)).toEqual(["0", "1", "2"]);
    expect(list.get(0)).toBeInstanceOf(nn.Parameter);
    expect([...list].map((parameter) => parameter.requiresGrad)).toEqual([true, false, true]);
    expect(list.get(-1).shape).toEqual([1]);
    expect(list.getParameter("1")).toBe(list.get(1));
    const copy = new nn.ParameterList([zeros(2), zeros(3), zeros(1)]);
    copy.loadStateDict(list.stateDict());
    expect(copy.get(0).tolist()).toEqual([1, 1]);
    expect(list.double().get(0).dtype.name).toBe("float64");
  });

  it("hold parameters by name: an object's in the order of the names, entries as they come", () => {
    const dict = new nn.ParameterDict({ w: zeros(2), b: zeros(3) });
    expect(dict.keys()).toEqual(["b", "w"]);
    dict.update(new Map([["a", zeros(1)]])).set("b", ones(3));
    expect([...dict]).toEqual(["b", "w", "a"]);
    expect([...dict.stateDict().keys()]).toEqual(["b", "w", "a"]);
    expect([dict.size(), dict.has("w"), dict.values().length, dict.entries()[0][0]]).toEqual([3, true, 3, "b"]);
    expect(dict.pop("w").shape).toEqual([2]);
    expect(() => dict.get("w")).toThrow('ParameterDict: there is no parameter "w"');
    dict.clear();
    expect(dict.size()).toBe(0);
  });

  it("are found by the module that owns them", () => {
    class Owner extends nn.Module {
      weights = new nn.ParameterList([zeros(2)]);
      more = new nn.ParameterDict({ a: zeros(1) });
    }
    expect([...new Owner().stateDict().keys()]).toEqual(["weights.0", "more.a"]);
    const copy = new Owner().deepCopy();
    expect([...copy.parameters()].length).toBe(2);
  });
});
