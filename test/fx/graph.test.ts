/** Graphs, nodes and modules that run a graph: what passes do with them, and what they refuse. */
import { describe, expect, it } from "vitest";
import * as o from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { Namespace, camelCase, pythonName } from "../../src/fx/names.ts";
import { mapAggregate } from "../../src/fx/argument.ts";
import type { FxNode } from "../../src/fx/node.ts";
import { plain } from "./plain.ts";

const { fx, nn } = o;

/** x → relu → add(relu, x) → output */
function sample(): { graph: o.fx.Graph; x: FxNode; relu: FxNode; add: FxNode } {
  const graph = new fx.Graph();
  const x = graph.placeholder("x");
  const relu = graph.callFunction(o.relu, [x]);
  const add = graph.callFunction(o.add, [relu, x]);
  graph.output(add);
  return { graph, x, relu, add };
}

const names = (nodes: Iterable<FxNode>): string[] => [...nodes].map((node) => node.name);

describe("Node", () => {
  it("keeps users and inputs up to date when arguments change", () => {
    const { graph, x, relu, add } = sample();
    expect(names(x.users)).toEqual(["relu", "add"]);
    expect(names(add.allInputNodes)).toEqual(["relu", "x"]);
    add.args = [relu, 2];
    expect(names(x.users)).toEqual(["relu"]);
    add.kwargs = { alpha: x, list: [{ deep: relu }] };
    expect(names(x.users)).toEqual(["relu", "add"]);
    add.updateKwarg("list", 3);
    add.updateArg(0, x);
    expect(names(relu.users)).toEqual([]);
    add.insertArg(1, relu);
    expect(add.args.map(String)).toEqual(["x", "relu", "2"]);
    graph.lint();
    expect(() => add.insertArg(5, 1)).toThrow("insertArg: index 5 must be between 0 and 3");
  });

  it("replaces uses, all or those that are chosen, and carries meta over", () => {
    const { graph, x, relu, add } = sample();
    relu.meta.note = 1;
    const tanh = graph.insertingAfter(x, () => graph.callFunction(o.tanh, [x]));
    expect(names(x.replaceAllUsesWith(tanh, { deleteUserCb: (user) => user === add }))).toEqual(["add"]);
    expect(names(x.users)).toEqual(["relu", "tanh"]);
    const sigmoid = graph.insertingAfter(relu, () => graph.callFunction(o.sigmoid, [x]));
    relu.replaceAllUsesWith(sigmoid, { propagateMeta: true });
    expect(sigmoid.meta).toEqual({ note: 1 });
    expect(() => sigmoid.replaceAllUsesWith(sigmoid, { propagateMeta: true })).toThrow("without meta");
    graph.lint();
    expect(names(graph.nodes)).toEqual(["x", "tanh", "relu", "sigmoid", "add", "output"]);
  });

  it("moves within its graph only", () => {
    const { graph, x, add } = sample();
    const tanh = graph.callFunction(o.tanh, [x]);
    add.prepend(tanh);
    expect(names(graph.nodes)).toEqual(["x", "relu", "tanh", "add", "output"]);
    add.append(tanh);
    expect(names(graph.nodes)).toEqual(["x", "relu", "add", "tanh", "output"]);
    expect(names(graph.nodes.reversed())).toEqual(["output", "tanh", "add", "relu", "x"]);
    expect([tanh.prev.name, tanh.next.name]).toEqual(["add", "output"]);
    expect(() => add.prepend(new fx.Graph().placeholder("y"))).toThrow("different Graph");
  });
});

describe("Graph", () => {
  it("prints as PyTorch does", () => {
    const { graph } = sample();
    expect(graph.toString()).toBe(
      [
        "graph():",
        "    %x : [num_users=2] = placeholder[target=x]",
        "    %relu : [num_users=1] = call_function[target=torch.nn.functional.relu](args = (%x,), kwargs = {})",
        "    %add : [num_users=1] = call_function[target=operator.add](args = (%relu, %x), kwargs = {})",
        "    return add",
      ].join("\n"),
    );
    expect(graph.tabular().split("\n").slice(0, 3)).toEqual([
      "opcode         name    target                    args       kwargs",
      "-------------  ------  ------------------------  ---------  ------",
      "placeholder    x       x                                    {}",
    ]);
  });

  it("inserts several nodes in order and restores the insertion point, also after an error", () => {
    const { graph, x, add } = sample();
    graph.insertingAfter(x, () => [graph.callFunction(o.tanh, [x]), graph.callFunction(o.exp, [x])]);
    graph.insertingBefore(add, () => graph.callFunction(o.log, [x]));
    expect(() =>
      graph.insertingBefore(x, () => {
        throw new Error("stop");
      }),
    ).toThrow("stop");
    graph.callFunction(o.neg, [x]);
    expect(names(graph.nodes)).toEqual(["x", "tanh", "exp", "relu", "log", "add", "output", "neg"]);
  });

  it("erases only what nobody uses, in PyTorch's words", () => {
    const { graph, x, add } = sample();
    expect(() => graph.eraseNode(x)).toThrow(
      "Tried to erase Node x but it still had 2 users in the graph: {relu: None, add: None}!",
    );
    graph.eraseNode(graph.outputNode());
    graph.eraseNode(add);
    expect(names(graph.nodes)).toEqual(["x", "relu"]);
    expect(names(x.users)).toEqual(["relu"]);
    expect(() => graph.outputNode()).toThrow("no output");
  });

  it("may be changed while its nodes are iterated over", () => {
    const { graph } = sample();
    const seen: string[] = [];
    for (const node of graph.nodes) {
      seen.push(node.name);
      if (node.name === "relu") graph.insertingAfter(node, () => graph.callFunction(o.tanh, [node]));
      if (node.name === "tanh") graph.eraseNode(node);
    }
    expect(seen).toEqual(["x", "relu", "tanh", "add", "output"]);
    expect(graph.nodes.length).toBe(4);
  });

  it("removes dead code but inputs and what writes in place", () => {
    const { graph, x, add } = sample();
    graph.insertingBefore(add, () => {
      graph.callFunction(o.tanh, [graph.callFunction(o.exp, [x])]);
      graph.callMethod("add_", [x, 1]);
      graph.callFunction(o.relu, [x], { inplace: true });
      graph.placeholder("unused");
    });
    expect(graph.eliminateDeadCode()).toBe(true);
    expect(names(graph.nodes)).toEqual(["x", "relu", "add_", "relu_1", "unused", "add", "output"]);
    expect(graph.eliminateDeadCode()).toBe(false);
    graph.lint();
  });

  it("copies into another graph with its names and meta", () => {
    const { graph, relu } = sample();
    relu.meta.list = [1];
    const copy = graph.deepCopy();
    copy.lint();
    expect(copy.toString()).toBe(graph.toString());
    const [copied] = copy.findNodes({ op: "call_function", target: o.relu });
    expect(copied === relu).toBe(false);
    expect(copied.meta).toEqual({ list: [1] });
    copied.meta.more = true;
    expect(relu.meta).toEqual({ list: [1] });
    const joined = new fx.Graph();
    const input = joined.placeholder("y");
    const result = joined.graphCopy(graph, new Map([[graph.findNodes({ op: "placeholder" })[0], input]]));
    joined.output(result);
    joined.lint();
    expect(names(joined.nodes)).toEqual(["y", "relu", "add", "output"]);
  });

  it("lint refuses what is not well formed", () => {
    const { graph, x, relu, add } = sample();
    relu.args = [add];
    expect(() => graph.lint()).toThrow("Argument 'add' of Node 'relu' was used before it has been defined!");
    relu.args = [sample().x];
    expect(() => graph.lint()).toThrow("does not belong to this Graph");
    relu.args = [x];
    relu.name = "x";
    expect(() => graph.lint()).toThrow("Node redefined name x!");
    const owned = new fx.Graph();
    owned.callModule("nothing.here");
    owned.owningModule = new nn.Module();
    expect(() => owned.lint()).toThrow("Node nothing_here target nothing.here references nonexistent attribute");
    expect(() => owned.createNode("call" as "output", "x")).toThrow('"call" is not an opcode');
  });
});

describe("names", () => {
  it("are PyTorch's", () => {
    const namespace = new Namespace();
    const given = ["x", "x", "x_1", "x_7", "x", "0", "a.b-c", "input", "sum", "sum", "for", "", "y_0", "y_0"];
    expect(given.map((name) => namespace.createName(name))).toEqual(
      // As torch.fx.graph._Namespace gives them.
      ["x", "x_1", "x_2", "x_7", "x_8", "_0", "a_b_c", "input_1", "sum_1", "sum_2", "for_1", "_unnamed", "y_0", "y_1"],
    );
  });

  it("of methods go to PyTorch's spelling and back", () => {
    for (const name of ["maskedFill_", "maxPool2d", "qPerChannelZeroPoints", "add_", "logSoftmax", "T", "to"]) {
      if (name !== "T") expect(camelCase(pythonName(name))).toBe(name);
    }
    expect(pythonName("smoothL1Loss")).toBe("smooth_l1_loss");
  });
});

describe("mapAggregate", () => {
  it("goes through arrays and plain objects, not through frozen records", () => {
    const frozen = Object.freeze({ a: 1 });
    const seen: unknown[] = [];
    const mapped = mapAggregate([1, { k: [2, frozen] }, o.float32], (leaf) => (seen.push(leaf), leaf === 2 ? 3 : leaf));
    expect(seen).toEqual([1, 2, frozen, o.float32]);
    expect(mapped).toEqual([1, { k: [3, frozen] }, o.float32]);
  });
});

class Net extends nn.Module {
  blocks = new nn.Sequential(new nn.Linear(3, 3), new nn.ReLU());
  unused = new nn.Linear(3, 3);
  declare scale: Tensor;

  constructor() {
    super();
    this.registerBuffer("scale", o.tensor([1, 2, 3]));
  }

  override forward(x: Tensor): Tensor {
    return this.blocks(x).mul(this.scale);
  }
}

describe("GraphModule", () => {
  it("holds what the graph names, shared with the root, and prints as PyTorch does", () => {
    const net = new Net();
    const gm = fx.symbolicTrace(net);
    expect([...gm.stateDict().keys()]).toEqual(["scale", "blocks.0.weight", "blocks.0.bias"]);
    expect(gm.getSubmodule("blocks.0") === net.blocks.get(0)).toBe(true);
    expect(gm.code).toBe(
      [
        "forward(x) {",
        '  const blocks_0 = this.blocks["0"](x);',
        '  const blocks_1 = this.blocks["1"](blocks_0);',
        "  const scale = this.scale;",
        "  const mul = operator.mul(blocks_1, scale);",
        "  return mul;",
        "}",
      ].join("\n"),
    );
    const tree = [
      "Net(",
      "  (blocks): Module(",
      "    (0): Linear(in_features=3, out_features=3, bias=True)",
      "    (1): ReLU()",
      "  )",
      ")",
    ].join("\n");
    expect(gm.toString().startsWith(`${tree}\n\nforward(x) {`)).toBe(true);
    const outer = new nn.Sequential(gm);
    expect(outer.toString()).toBe(`Sequential(\n  (0): ${tree.replaceAll("\n", "\n  ")}\n)`);
  });

  it("follows its graph after recompile, and looks modules up anew in every run", () => {
    const gm = fx.symbolicTrace(new Net());
    const x = o.randn(2, 3);
    const before = gm(x) as Tensor;
    const mul = gm.graph.outputNode().args[0] as FxNode;
    mul.target = o.add;
    expect(plain(gm(x))).toEqual(plain(before));
    gm.recompile();
    expect(plain(gm(x))).not.toEqual(plain(before));
    gm.setSubmodule("blocks.0", new nn.Identity());
    expect(plain(gm(x))).toEqual(plain(o.relu(x).add(o.tensor([1, 2, 3]))));
  });

  it("adds and deletes submodules", () => {
    const gm = fx.symbolicTrace(new Net());
    expect(gm.addSubmodule("new.deep", new nn.ReLU())).toBe(true);
    expect(gm.addSubmodule("scale.x", new nn.ReLU())).toBe(false);
    expect(gm.getSubmodule("new.deep") instanceof nn.ReLU).toBe(true);
    gm.deleteAllUnusedSubmodules();
    expect([...gm.namedModules()].map(([path]) => path)).toEqual(["", "blocks", "blocks.0", "blocks.1"]);
    expect(gm.deleteSubmodule("blocks.1")).toBe(true);
    expect(gm.deleteSubmodule("blocks.1")).toBe(false);
    expect(() => gm.graph.lint()).toThrow("references nonexistent attribute");
  });

  it("deepCopy gives a module of its own with graph and meta", () => {
    const gm = fx.symbolicTrace(new Net());
    gm.meta.note = { a: 1 };
    const [node] = gm.graph.findNodes({ op: "call_module" });
    node.meta.mark = 7;
    const copy = gm.deepCopy();
    copy.graph.lint();
    expect(copy.graph === gm.graph).toBe(false);
    expect(copy.graph.toString()).toBe(gm.graph.toString());
    expect(copy.graph.owningModule === copy).toBe(true);
    expect(copy.meta).toEqual({ note: { a: 1 } });
    expect(copy.meta).not.toBe(gm.meta);
    expect(copy.graph.findNodes({ op: "call_module" })[0].meta.mark).toBe(7);
    const x = o.randn(2, 3);
    const expected = plain(gm(x));
    o.noGrad(() => gm.getParameter("blocks.0.weight").zero_());
    expect(plain(copy(x))).toEqual(expected);
    expect(plain(gm(x))).not.toEqual(expected);
    const inside = new nn.Sequential(copy).deepCopy().get(0) as o.fx.GraphModule;
    expect(plain(inside(x))).toEqual(expected);
  });

  it("takes modules by target, and refuses a record that lacks one", () => {
    const graph = new fx.Graph();
    graph.output(graph.callModule("a.b", [graph.placeholder("x", 2)]));
    const gm = new fx.GraphModule({ "a.b": new nn.Identity() }, graph, "Made");
    expect([gm(), gm(5), gm.getName()]).toEqual([2, 5, "Made"]);
    expect(() => gm(1, 2)).toThrow("forward: takes 1 inputs, 2 were given");
    expect(() => new fx.GraphModule({}, graph)).toThrow(
      "Node a_b referenced target a.b but that target was not provided",
    );
  });
});
