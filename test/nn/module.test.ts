/** What every module has: calling, hooks, iteration, state, copies and conversions. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { nn, noGrad, ones, tensor, zeros } from "../../src/index.ts";
import { float16, float32, float64, int32 } from "../../src/core/dtype.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

class Net extends nn.Module {
  fc1 = new nn.Linear(3, 4);
  act = new nn.ReLU();
  fc2: nn.Linear;

  constructor(outputs = 2) {
    super();
    this.fc2 = new nn.Linear(4, outputs);
  }

  override forward(x: Tensor): Tensor {
    return this.fc2(this.act(this.fc1(x)));
  }
}

class Split extends nn.Module {
  override forward(x: Tensor, at: number): [Tensor, Tensor] {
    return [x.narrow(0, 0, at), x.narrow(0, at, x.shape[0] - at)];
  }
}

class Doubling extends nn.Module {
  override forward(x: Tensor): Tensor {
    return x.mul(2);
  }
}

describe("calling a module", () => {
  it("runs its forward", () => {
    const net = new Net();
    const x = ones(5, 3);
    expect(net(x).tolist()).toEqual(net.forward(x).tolist());
    expect(net(x).shape).toEqual([5, 2]);
  });

  it("has the types of its forward", () => {
    const net = new Net();
    const split = new Split();
    expectTypeOf(net).parameters.toEqualTypeOf<[x: Tensor]>();
    expectTypeOf(net(ones(1, 3))).toEqualTypeOf<Tensor>();
    expectTypeOf(split).parameters.toEqualTypeOf<[x: Tensor, at: number]>();
    expectTypeOf(split(ones(3), 1)).toEqualTypeOf<[Tensor, Tensor]>();
    expectTypeOf(new nn.Sequential(net)(ones(1, 3))).toEqualTypeOf<Tensor>();
    // @ts-expect-error -- a string is no tensor
    expect(() => net("x")).toThrow();
    // @ts-expect-error -- the second argument is missing
    expect(() => split(ones(3))).toThrow();
  });

  it("leaves it an instance of its class, and of Function", () => {
    const net = new Net();
    expect(typeof net).toBe("function");
    expect(net).toBeInstanceOf(Net);
    expect(net).toBeInstanceOf(nn.Module);
    expect(net).toBeInstanceOf(Function);
    expect(net).not.toBeInstanceOf(nn.Linear);
    expect(net.constructor).toBe(Net);
    expect([ones(1, 3)].map(net)[0].shape).toEqual([1, 2]);
    expect(net.call(null, ones(1, 3)).shape).toEqual([1, 2]);
  });

  it("fails for a module without forward, naming it", () => {
    class Empty extends nn.Module {}
    expect(() => new Empty()()).toThrow('Module [Empty] is missing the required "forward" function');
  });
});

describe("hooks", () => {
  const run = (module: nn.Module) => (module(tensor([1])) as Tensor).item();

  it("see arguments and output, in the order of registration, or first if prepended", () => {
    const net = new Doubling();
    const seen: string[] = [];
    net.registerForwardPreHook((module, args) => void seen.push(`pre ${module.getName()} ${args.length}`));
    net.registerForwardHook(
      (_module, [x], output) => void seen.push(`a ${(x as Tensor).item()} ${(output as Tensor).item()}`),
    );
    net.registerForwardHook(() => void seen.push("b"));
    net.registerForwardHook(() => void seen.push("first"), { prepend: true });
    net.registerForwardPreHook(() => void seen.push("before all"), { prepend: true });
    expect(run(net)).toBe(2);
    expect(seen).toEqual(["before all", "pre Doubling 1", "first", "a 1 2", "b"]);
  });

  it("replace what goes in and what comes out", () => {
    const net = new Doubling();
    net.registerForwardPreHook((_module, [x]) => [(x as Tensor).add(1)]);
    expect(run(net)).toBe(4);
    net.registerForwardPreHook((_module, [x]) => (x as Tensor).add(1)); // one argument needs no array
    expect(run(net)).toBe(6);
    net.registerForwardHook((_module, _args, output) => (output as Tensor).neg());
    expect(run(net)).toBe(-6);
  });

  it("are removed one registration at a time, even while they run", () => {
    const net = new Doubling();
    let calls = 0;
    const count = () => void calls++;
    const [first, second] = [net.registerForwardHook(count), net.registerForwardHook(count)];
    const once = net.registerForwardHook(() => once.remove(), { prepend: true });
    run(net);
    expect(calls).toBe(2);
    first.remove();
    first.remove();
    run(net);
    expect(calls).toBe(3);
    second.remove();
    run(net);
    expect(calls).toBe(3);
    expect(net.registeredHooks()).toEqual({ pre: [], post: [] });
  });

  it("run for submodules too, and not for forward alone", () => {
    const net = new Net();
    let calls = 0;
    net.fc1.registerForwardHook(() => void calls++);
    net(ones(1, 3));
    expect(calls).toBe(1);
    net.fc1.forward(ones(1, 3));
    expect(calls).toBe(1);
  });

  it("are removed by what they do", () => {
    const net = new Doubling();
    const hook = () => undefined;
    net.registerForwardHook(hook);
    net.registerForwardPreHook(hook);
    net.removeHook(hook);
    expect(net.registeredHooks()).toEqual({ pre: [], post: [] });
  });
});

describe("iteration", () => {
  class Tied extends nn.Module {
    scale = new nn.Parameter(ones(1));
    encoder = new nn.Linear(2, 2, { bias: false });
    decoder = new nn.Linear(2, 2);
    act = new nn.ReLU();
    again = this.act;
    blocks = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2));

    constructor() {
      super();
      this.decoder.weight = this.encoder.weight;
      this.registerBuffer("table", zeros(2));
      this.registerBuffer("scratch", zeros(2), { persistent: false });
      this.registerBuffer("later", null);
    }
  }
  const names = (pairs: Iterable<[string, unknown]>) => [...pairs].map(([name]) => name);

  it("goes in PyTorch's order and gives shared members once", () => {
    const net = new Tied();
    expect(names(net.namedModules())).toEqual(["", "encoder", "decoder", "act", "blocks", "blocks.0", "blocks.1"]);
    expect(names(net.namedChildren())).toEqual(["encoder", "decoder", "act", "blocks"]);
    expect(names(net.ownModules())).toEqual(["encoder", "decoder", "act", "again", "blocks"]);
    const parameters = ["scale", "encoder.weight", "decoder.bias", "blocks.0.weight", "blocks.0.bias"];
    expect(names(net.namedParameters())).toEqual([...parameters, "blocks.1.weight", "blocks.1.bias"]);
    const buffers = [
      "table",
      "scratch",
      "blocks.1.running_mean",
      "blocks.1.running_var",
      "blocks.1.num_batches_tracked",
    ];
    expect(names(net.namedBuffers())).toEqual(buffers);
    expect([...net.parameters()].length).toBe(7);
    expect([...net.buffers()].length).toBe(5);
  });

  it("can stay at the module itself, and give shared members under every name", () => {
    const net = new Tied();
    expect(names(net.namedParameters("net", { recurse: false }))).toEqual(["net.scale"]);
    expect(names(net.namedBuffers("", { recurse: false }))).toEqual(["table", "scratch"]);
    expect([...net.parameters({ recurse: false })]).toEqual([net.scale]);
    expect(names(net.namedParameters("", { removeDuplicate: false }))).toContain("decoder.weight");
  });

  it("finds and replaces by path", () => {
    const net = new Tied();
    expect(net.getSubmodule("")).toBe(net);
    expect(net.getSubmodule("blocks.1")).toBe(net.blocks.get(1));
    expect(net.getParameter("decoder.bias")).toBe(net.decoder.bias);
    expect(() => net.getSubmodule("blocks.7")).toThrow('Sequential has no submodule "7"');
    expect(() => net.getParameter("table")).toThrow('Tied has no parameter "table"');
    const norm = new nn.Identity();
    net.setSubmodule("blocks.1", norm);
    expect(net.blocks.get(1)).toBe(norm);
    expect(names(net.blocks.namedChildren())).toEqual(["0", "1"]);
  });

  it("puts in the state what is saved, under every name", () => {
    const net = new Tied();
    const keys = [
      "scale",
      "table",
      "encoder.weight",
      "decoder.weight",
      "decoder.bias",
      "blocks.0.weight",
      "blocks.0.bias",
    ];
    const norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"].map(
      (key) => `blocks.1.${key}`,
    );
    expect([...net.stateDict().keys()]).toEqual([...keys, ...norm]);
    expect(net.stateDict().metadata.get("blocks.1")).toEqual({ version: 2 });
    expect(net.stateDict().get("scale")?.requiresGrad).toBe(false);
    expect(net.stateDict().get("scale")?.storage).toBe(net.scale.storage);
  });

  it("applies a function to children first", () => {
    const seen: string[] = [];
    new Net().apply((module) => void seen.push(module.getName()));
    expect(seen).toEqual(["Linear", "ReLU", "Linear", "Net"]);
  });
});

describe("registration", () => {
  it("refuses names that cannot be", () => {
    const net = new Net();
    expect(() => net.registerBuffer("a.b", zeros(1))).toThrow('buffer name "a.b" must not be empty or contain "."');
    expect(() => net.addModule("", new Net())).toThrow('module name "" must not be empty');
    expect(() => net.registerParameter("length", null)).toThrow('parameter name "length" is reserved');
    expect(() => net.registerBuffer("forward", zeros(1))).toThrow(
      'cannot register buffer "forward": the attribute exists',
    );
    expect(() => net.registerParameter("training", new nn.Parameter(zeros(1)))).toThrow("the attribute exists already");
    expect(() => net.addModule("apply", new Net())).toThrow('Net: cannot register module "apply"');
  });

  it("adds, and replaces what is of the same kind", () => {
    const net = new Net();
    net.addModule("extra", new nn.Tanh());
    net.addModule("extra", new nn.ReLU());
    net.registerBuffer("b", zeros(1));
    net.registerBuffer("b", null);
    net.registerParameter("p", new nn.Parameter(zeros(1)));
    expect([...net.stateDict().keys()].slice(-5)).toEqual(["p", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
    expect(net.getSubmodule("extra")).toBeInstanceOf(nn.ReLU);
  });
});

describe("loadStateDict", () => {
  it("copies values and leaves the parameters in place", () => {
    const [from, to] = [new Net(), new Net()];
    const { weight } = to.fc1;
    expect(to.loadStateDict(from.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(to.fc1.weight).toBe(weight);
    expect(to).toEqual(from);
    noGrad(() => from.fc1.weight.add_(1));
    expect(to).not.toEqual(from);
  });

  it("takes plain objects and Maps, of another float dtype too", () => {
    const from = new nn.Linear(2, 2).double();
    const to = new nn.Linear(2, 2);
    to.loadStateDict({ weight: from.weight, bias: from.bias as Tensor });
    expect(to.weight.dtype).toBe(float32);
    expect(to.weight.allclose(from.weight.float())).toBe(true);
  });

  it("lists missing, unexpected and misshapen keys", () => {
    const state = new Net(3).stateDict();
    state.delete("fc1.bias");
    state.set("fc9.weight", zeros(1));
    expect(() => new Net().loadStateDict(state)).toThrow(
      "Error(s) in loading state_dict for Net:\n" +
        '\tMissing key(s) in state_dict: "fc1.bias".\n' +
        '\tUnexpected key(s) in state_dict: "fc9.weight".\n' +
        "\tsize mismatch for fc2.weight: the state dict has shape [3, 4], the module [2, 4].\n" +
        "\tsize mismatch for fc2.bias: the state dict has shape [3], the module [2].",
    );
  });

  it("reports keys and still fails on shapes if not strict", () => {
    const state = new Net().stateDict();
    state.delete("fc1.bias");
    state.set("other", zeros(1));
    const report = { missingKeys: ["fc1.bias"], unexpectedKeys: ["other"] };
    expect(new Net().loadStateDict(state, { strict: false })).toEqual(report);
    expect(() => new Net().loadStateDict(new Net(3).stateDict(), { strict: false })).toThrow(
      "size mismatch for fc2.weight",
    );
  });

  it("takes the given tensors themselves with assign", () => {
    const from = new nn.Linear(2, 2).double();
    const to = new nn.Linear(2, 2);
    const { weight } = to;
    to.loadStateDict(from.stateDict(), { assign: true });
    expect(to.weight.dtype).toBe(float64);
    expect(to.weight.storage).toBe(from.weight.storage);
    expect(to.weight).toBe(weight);
    expect(to.weight.requiresGrad).toBe(true);
  });

  it("changes nothing in the graph", () => {
    const net = new nn.Linear(2, 2);
    net.loadStateDict(new nn.Linear(2, 2).stateDict());
    expect(net.weight.isLeaf).toBe(true);
  });
});

describe("deepCopy", () => {
  it("shares nothing with the original, and keeps what is shared inside", () => {
    const act = new nn.ReLU();
    const net = new nn.Sequential(new nn.Linear(2, 2), act, new nn.Linear(2, 2), act);
    const [first, , second] = net;
    (second as nn.Linear).weight = (first as nn.Linear).weight;
    const copy = net.deepCopy();
    expect(copy).toBeInstanceOf(nn.Sequential);
    expect(copy).not.toBe(net);
    expect(copy).toEqual(net);
    expect((copy.get(0) as nn.Linear).weight).toBe((copy.get(2) as nn.Linear).weight);
    expect((copy.get(0) as nn.Linear).weight).not.toBe((first as nn.Linear).weight);
    expect(copy.get(1)).toBe(copy.get(3));
    noGrad(() => (first as nn.Linear).weight.fill_(9));
    expect(copy).not.toEqual(net);
    expect(copy(ones(1, 2)).shape).toEqual([1, 2]);
  });

  it("keeps requiresGrad, mode, buffers and hooks, but no gradients", () => {
    const net = new nn.BatchNorm1d(2).eval();
    net.bias?.requiresGrad_(false);
    if (net.weight) net.weight.grad = ones(2);
    let calls = 0;
    const handle = net.registerForwardHook(() => void calls++);
    const copy = net.deepCopy();
    expect([copy.training, copy.weight?.requiresGrad, copy.bias?.requiresGrad]).toEqual([false, true, false]);
    expect(copy.weight?.grad).toBeNull();
    expect(copy.weight).toBeInstanceOf(nn.Parameter);
    expect([...copy.namedBuffers()].map(([name]) => name)).toEqual([...net.namedBuffers()].map(([name]) => name));
    handle.remove();
    copy(ones(3, 2));
    net(ones(3, 2));
    expect(calls).toBe(1);
  });
});

describe("modes and conversions", () => {
  it("train and eval reach every module", () => {
    const net = new nn.Sequential(new Net(), new nn.Dropout());
    expect(net.eval()).toBe(net);
    expect([...net.modules()].every((module) => !module.training)).toBe(true);
    net.train();
    expect([...net.modules()].every((module) => module.training)).toBe(true);
  });

  it("to converts floats in place and leaves integers", () => {
    const net = new nn.BatchNorm1d(2);
    const { weight } = net;
    if (weight) weight.grad = ones(2);
    expect(net.to(float64)).toBe(net);
    expect(net.weight).toBe(weight);
    expect([weight?.dtype, weight?.grad?.dtype, net.running_mean?.dtype]).toEqual([float64, float64, float64]);
    expect(net.num_batches_tracked?.dtype.name).toBe("int64");
    expect(net.half().weight?.dtype).toBe(float16);
    expect(() => net.to(int32)).toThrow("BatchNorm1d.to: only accepts floating point dtypes, got int32");
  });

  it("requiresGrad_ and zeroGrad reach every parameter", () => {
    const net = new Net();
    net(ones(1, 3)).sum().backward();
    expect(net.fc1.weight.grad).not.toBeNull();
    net.zeroGrad();
    expect([...net.parameters()].every((parameter) => parameter.grad === null)).toBe(true);
    net.requiresGrad_(false);
    expect([...net.parameters()].some((parameter) => parameter.requiresGrad)).toBe(false);
    expect(net(ones(1, 3)).requiresGrad).toBe(false);
  });
});
