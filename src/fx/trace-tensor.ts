/**
 * The values that flow through a model while it is traced (`torch.fx.Proxy`): a Tensor without elements that stands for
 * the value of a node. What is done with it adds nodes to the graph; what would need the elements fails, and says what to
 * write instead. Sizes and tuples are TraceTensors too while tracing, whatever their type says.
 *
 * The methods are made by going through the table of Tensor methods, so that a new operator needs no line here.
 */
import { OctetError } from "../core/errors.ts";
import { tensorMethods } from "../ops/methods.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Argument, Kwargs } from "./argument.ts";
import { pythonName } from "./names.ts";
import type { FxNode, Opcode, Target } from "./node.ts";
import { getattr, getitem } from "./operators.ts";
import type { TargetFunction } from "./targets.ts";
import { PYTHON_OPERATORS } from "./targets.ts";

/** A model cannot be traced as it is written. */
export class TraceError extends OctetError {
  override readonly name = "TraceError";
}

/** Adds nodes for what happens to traced values. Implemented by the tracer. */
export interface Recorder {
  /** Records a call with the arguments as they were written; the last may be an options object. */
  record(op: Opcode, target: Target, args: readonly unknown[], name?: string): TraceTensor;
  /** As `record`, with the named arguments apart. */
  createProxy(op: Opcode, target: Target, args: readonly Argument[], kwargs: Kwargs, name?: string): TraceTensor;
}

/** How many items a traced value gives to destructuring before it must be a loop. */
export const MAX_UNPACKED = 16;

export class TraceTensor extends Tensor {
  /** The node whose value this is. */
  declare readonly node: FxNode;
  /** @internal */
  declare readonly recorder: Recorder;
}

/** A traced value for `node`. (The constructor of Tensor is passed by: there is no storage.) */
export function traceTensor(node: FxNode, recorder: Recorder): TraceTensor {
  return Object.create(TraceTensor.prototype, { node: { value: node }, recorder: { value: recorder } }) as TraceTensor;
}

// ---------------------------------------------------------------- what is recorded

/** Attributes that give a traced value. */
const ATTRIBUTES = ["shape", "dtype", "ndim", "T", "mT", "data", "grad"];

/** Methods of the class itself that the table of operators does not have. */
const CLASS_METHODS = ["detach", "dim", "numel", "size", "stride", "requiresGrad_"];

for (const [name, operator] of Object.entries(tensorMethods)) defineMethod(name, methodFor(name, operator));
for (const name of CLASS_METHODS) defineMethod(name, methodFor(name, undefined));
for (const name of ATTRIBUTES) defineAttribute(name);
for (let i = 0; i < MAX_UNPACKED; i++) defineGetter(String(i), (self) => item(self, i));
defineMethod("at", item);
defineMethod(Symbol.iterator, items);
defineMethod(Symbol.for("nodejs.util.inspect.custom"), (self) => `TraceTensor(${self.node.name})`);
defineMethod("toString", (self) => `TraceTensor(${self.node.name})`);

type Method = (self: TraceTensor, ...args: readonly unknown[]) => unknown;

/** Arithmetic is recorded as the function, subscripts as getitem, everything else as a method of PyTorch's name. */
function methodFor(name: string, operator: unknown): Method {
  if (name === "index") return item;
  const python = PYTHON_OPERATORS[name];
  const isInPlace = name.endsWith("_");
  if (python) {
    const target = operator as TargetFunction;
    return (self, ...args) => self.recorder.record("call_function", target, [self, ...args], isInPlace ? name : python);
  }
  const target = pythonName(name);
  return (self, ...args) => self.recorder.record("call_method", target, [self, ...args]);
}

/** `self[index]`; several subscripts, and one that is an array, are kept in an array. */
function item(self: TraceTensor, ...indices: readonly unknown[]): TraceTensor {
  const [first] = indices;
  const index = indices.length === 1 && !Array.isArray(first) ? first : indices;
  return self.recorder.createProxy("call_function", getitem, [self, index as Argument], {});
}

/** Gives item after item as destructuring asks for them. A loop never stops asking. */
function* items(self: TraceTensor): Generator<TraceTensor> {
  for (let i = 0; i < MAX_UNPACKED; i++) yield item(self, i);
  throw new TraceError(
    "Proxy object cannot be iterated: the number of items is not known while tracing. Destructuring into up to " +
      `${MAX_UNPACKED} names works; write a loop as one over a known number of indices, or put it into a function of its ` +
      "own that fx.wrap() makes one step of the graph",
  );
}

function defineAttribute(name: string): void {
  const attribute = snakeAttribute(name);
  defineGetter(name, (self) => {
    const { recorder } = self;
    let node: FxNode | undefined;
    // Only when the attribute is used does it become a node, as in PyTorch: reading it may mean nothing.
    const get = (): FxNode => (node ??= recorder.createProxy("call_function", getattr, [self, attribute], {}).node);
    return Object.create(TraceTensor.prototype, { node: { get }, recorder: { value: recorder } });
  });
}

function snakeAttribute(name: string): string {
  return name === name.toUpperCase() || name === "mT" ? name : pythonName(name);
}

// ---------------------------------------------------------------- what is refused

const NEEDS_VALUES =
  "this needs the values of a tensor, and a traced value has none; put the code into a function of its own that fx.wrap() " +
  "makes one step of the graph, or make its module a leaf of the tracer";

const CONTROL_FLOW =
  "symbolically traced variables cannot be used as inputs to control flow; give the value by concreteArgs, or make the " +
  "module a leaf of the tracer";

const NUMBERS =
  "a traced value cannot be converted to a number or text, as arithmetic, comparison (<, >) and template strings do; for " +
  "tensors write the methods (x.add(y), x.gt(0)), for sizes fx.operators (operators.mul(n, 2))";

const LENGTH =
  "'length' is not supported in symbolic tracing: how many items a traced value has is not known. Write the number, or put " +
  "the code into a function of its own that fx.wrap() makes one step of the graph";

const ITERATION =
  "Proxy object cannot be iterated: the number of items is not known while tracing. Take the items by destructuring, " +
  "const [n, c] = x.shape, or by index";

refuseMethods(["item", "tolist", "elements", "toNumbers", "readAt", "writeAt", "alias", "bumpVersion"], NEEDS_VALUES);
refuseMethods(["isContiguous", "isFloatingPoint"], CONTROL_FLOW);
refuseMethods([Symbol.toPrimitive, "valueOf", "toJSON"], NUMBERS);
refuseMethods(["map", "forEach", "reduce", "filter", "every", "some", "join", "concat", "includes"], ITERATION);
refuseAttributes(
  ["storage", "strides", "offset", "base", "baseGradFn", "quantizer", "gradFn", "outputIndex"],
  NEEDS_VALUES,
);
refuseAttributes(["isQuantized", "requiresGrad", "leafRequiresGrad", "isLeaf"], CONTROL_FLOW);
refuseAttributes(["length"], LENGTH);

function refuseMethods(names: readonly (string | symbol)[], why: string): void {
  for (const name of names) {
    defineMethod(name, () => {
      throw new TraceError(typeof name === "string" ? `${name}: ${why}` : why);
    });
  }
}

function refuseAttributes(names: readonly string[], why: string): void {
  for (const name of names) {
    defineGetter(name, () => {
      throw new TraceError(`${name}: ${why}`);
    });
  }
}

function defineMethod(name: string | symbol, method: Method): void {
  Object.defineProperty(TraceTensor.prototype, name, {
    value(this: TraceTensor, ...args: unknown[]) {
      return method(this, ...args);
    },
    configurable: true,
    writable: true,
  });
}

function defineGetter(name: string, get: (self: TraceTensor) => unknown): void {
  Object.defineProperty(TraceTensor.prototype, name, {
    get(this: TraceTensor) {
      return get(this);
    },
    set() {
      throw new TraceError(`${name}: a traced value cannot be assigned to; use the operators that make a new value`);
    },
    configurable: true,
  });
}
