/**
 * Branches and loops. A branch on a constant is imported in place; everything else becomes a module that holds the subgraphs
 * as graph modules and runs them as the values ask for. A tracer does not look into it.
 */
import { bool, int64 } from "../../core/dtype.ts";
import { leafModule } from "../../fx/tracer.ts";
import { Module } from "../../nn/module.ts";
import * as ops from "../../ops/index.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import type { Value } from "../import-value.ts";
import { factsOfType } from "../import-value.ts";
import type { OnnxGraph } from "../model.ts";

type Results = readonly Tensor[];

/** A graph module gives the single output itself. */
function run(body: Module, inputs: readonly Tensor[]): Results {
  const result = body(...inputs) as Tensor | Results;
  return result instanceof Tensor ? [result] : result;
}

function single(results: Results): Tensor | Results {
  return results.length === 1 ? results[0] : results;
}

/** Runs one of two subgraphs. */
export class OnnxIf extends Module {
  readonly then_branch: Module;
  readonly else_branch: Module;
  /** How many of the inputs behind the condition are the first branch's; the others are the second one's. */
  readonly thenInputs: number;

  constructor(thenBranch: Module, elseBranch: Module, thenInputs: number) {
    super();
    this.then_branch = thenBranch;
    this.else_branch = elseBranch;
    this.thenInputs = thenInputs;
  }

  override forward(condition: Tensor, ...inputs: Tensor[]): Tensor | Results {
    const { thenInputs } = this;
    return condition.item()
      ? single(run(this.then_branch, inputs.slice(0, thenInputs)))
      : single(run(this.else_branch, inputs.slice(thenInputs)));
  }
}
leafModule(OnnxIf);

const conditional: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const condition = c.input(0);
    const branches = [c.graph("then_branch"), c.graph("else_branch")];
    if (condition.constant) return c.emit.inline(branches[condition.constant.item() ? 0 : 1], []);
    const [yes, no] = branches.map((branch) => c.emit.subgraph(branch));
    const module = new OnnxIf(yes.module, no.module, yes.captures.length);
    const result = c.module(module, [condition, ...yes.captures, ...no.captures], { dtype: null });
    const facts = branches[0].outputs.map(({ type }) => ({ dtype: factsOfType(type)?.dtype ?? null }));
    return facts.length === 1 ? { ...result, ...facts[0] } : c.items(result, facts);
  },
};

interface LoopShape {
  /** How many values go from one run to the next. */
  readonly carried: number;
  /** Whether a number of runs, and a condition, are among the inputs. */
  readonly hasCount: boolean;
  readonly hasCondition: boolean;
}

/** Runs a subgraph as often as a count says, or while a condition holds; joins what each run gives beside carried values. */
export class OnnxLoop extends Module {
  readonly body: Module;
  readonly shape: LoopShape;

  constructor(body: Module, shape: LoopShape) {
    super();
    this.body = body;
    this.shape = Object.freeze(shape);
  }

  override forward(...inputs: Tensor[]): Tensor | Results {
    const { carried, hasCount, hasCondition } = this.shape;
    const rest = [...inputs];
    const limit = hasCount ? (rest.shift() as Tensor).item() : Infinity;
    let goesOn = hasCondition ? (rest.shift() as Tensor).item() !== 0 : true;
    let values: Results = rest.slice(0, carried);
    const captured = rest.slice(carried);
    const scans: Tensor[][] = [];
    for (let i = 0; i < limit && goesOn; i++) {
      const count = Tensor.fromArray(Float64Array.of(i), [], int64);
      const truth = Tensor.fromArray(Uint8Array.of(1), [], bool);
      const [next, ...results] = run(this.body, [count, truth, ...values, ...captured]);
      goesOn = next.item() !== 0;
      values = results.slice(0, carried);
      results.slice(carried).forEach((result, j) => (scans[j] ??= []).push(result));
    }
    return single([...values, ...scans.map((results) => ops.stack(results, 0))]);
  }
}
leafModule(OnnxLoop);

const loop: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const body = c.graph("body");
    const { module, captures } = c.emit.subgraph(body);
    const [count, condition] = [c.optional(0), c.optional(1)];
    const states = Array.from({ length: c.inputCount - 2 }, (_, i) => c.input(i + 2));
    const shape = { carried: states.length, hasCount: count !== null, hasCondition: condition !== null };
    c.require(count ?? condition, "nothing would end it");
    const inputs = [count, condition, ...states, ...captures].filter((value) => value !== null);
    const result = c.module(new OnnxLoop(module, shape), inputs, { dtype: null });
    return resultsOf(
      c,
      result,
      body.outputs.slice(1).map(({ type }) => factsOfType(type)?.dtype ?? null),
    );
  },
};

function resultsOf(c: NodeContext, result: Value, dtypes: readonly Value["dtype"][]): Value | Value[] {
  return dtypes.length === 1
    ? { ...result, dtype: dtypes[0] }
    : c.items(
        result,
        dtypes.map((dtype) => ({ dtype })),
      );
}

interface ScanShape {
  readonly states: number;
  readonly inputAxes: readonly number[];
  readonly inputReversed: readonly boolean[];
  readonly outputAxes: readonly number[];
  readonly outputReversed: readonly boolean[];
}

/** Runs a subgraph over the entries of its inputs along an axis. */
export class OnnxScan extends Module {
  readonly body: Module;
  readonly shape: ScanShape;

  constructor(body: Module, shape: ScanShape) {
    super();
    this.body = body;
    this.shape = Object.freeze(shape);
  }

  override forward(...inputs: Tensor[]): Tensor | Results {
    const { states, inputAxes, inputReversed, outputAxes, outputReversed } = this.shape;
    let values: Results = inputs.slice(0, states);
    const entries = inputAxes.map((axis, i) => {
      const all = [...ops.unbind(inputs[states + i], axis)];
      return inputReversed[i] ? all.reverse() : all;
    });
    const captured = inputs.slice(states + inputAxes.length);
    const scans: Tensor[][] = outputAxes.map(() => []);
    for (let t = 0; t < (entries[0]?.length ?? 0); t++) {
      const results = run(this.body, [...values, ...entries.map((list) => list[t]), ...captured]);
      values = results.slice(0, states);
      results.slice(states).forEach((result, i) => scans[i].push(result));
    }
    const joined = scans.map((list, i) => ops.stack(outputReversed[i] ? list.toReversed() : list, outputAxes[i]));
    return single([...values, ...joined]);
  }
}
leafModule(OnnxScan);

const scan: OnnxOp = {
  since: [9, 11],
  import(c: NodeContext) {
    const body: OnnxGraph = c.graph("body");
    const count = c.int("num_scan_inputs", 0);
    const states = c.inputCount - count;
    const outputs = body.outputs.length - states;
    const list = (name: string, length: number): number[] => c.ints(name) ?? new Array<number>(length).fill(0);
    const flags = (name: string, length: number): boolean[] => list(name, length).map((flag) => flag !== 0);
    const { module, captures } = c.emit.subgraph(body);
    const shape = {
      states,
      inputAxes: list("scan_input_axes", count),
      inputReversed: flags("scan_input_directions", count),
      outputAxes: list("scan_output_axes", outputs),
      outputReversed: flags("scan_output_directions", outputs),
    };
    const result = c.module(new OnnxScan(module, shape), [...c.allInputs(), ...captures], { dtype: null });
    return resultsOf(
      c,
      result,
      body.outputs.map(({ type }) => factsOfType(type)?.dtype ?? null),
    );
  },
};

export const controlFlowOps: OnnxOps = { If: conditional, Loop: loop, Scan: scan };
