/**
 * Module: the base of every layer and model. Parameters, submodules and buffers are ordinary properties; a property's
 * name is its state-dict key, so modules spell such names as PyTorch does (`running_mean`, `weight_ih_l0`).
 */
import type { DType } from "../core/dtype.ts";
import { float16, float32, float64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { convertArray, storeElements } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CALL, Callable } from "./callable.ts";
import { deepCopy } from "./deep-copy.ts";
import type { RemovableHandle } from "./hooks.ts";
import { HookList } from "./hooks.ts";
import { locateFailure } from "./failure.ts";
import { Parameter } from "./parameter.ts";
import type { LoadContext, LoadReport, StateDictLike } from "./state-dict.ts";
import { StateDict, renameOldKeys, sizeMismatch, toStateMap } from "./state-dict.ts";

/** Runs before `forward`; returns undefined, or what to call it with instead: an array of arguments, or one argument. */
export type ForwardPreHook = (module: Module, args: readonly unknown[]) => unknown;
/** Runs after `forward`; returns undefined, or the output to use instead. */
export type ForwardHook = (module: Module, args: readonly unknown[], output: unknown) => unknown;

/** Stands between the caller of a module and its hooks and `forward`, which `next` runs. */
export type CallInterceptor = (
  module: Module,
  args: readonly unknown[],
  next: (...args: readonly unknown[]) => unknown,
) => unknown;

const interceptors: CallInterceptor[] = [];

/** Runs `body`, in which every call of a module, also one inside another, goes to `interceptor`. */
export function withCallInterceptor<T>(interceptor: CallInterceptor, body: () => T): T {
  interceptors.push(interceptor);
  try {
    return body();
  } finally {
    interceptors.pop();
  }
}

/** Which parameters or buffers to give. */
export interface MemberOptions {
  /** Those of submodules too (the default). */
  readonly recurse?: boolean;
  /** Gives a tensor that several modules share only once (the default). */
  readonly removeDuplicate?: boolean;
}

// eslint-disable-next-line typescript/no-unsafe-declaration-merging -- the call signature follows `forward`
export interface Module {
  (...args: Parameters<this["forward"]>): ReturnType<this["forward"]>;
}

export class Module extends Callable {
  /** True in training mode: Dropout drops, BatchNorm uses and updates batch statistics. */
  training = true;
  /** Names of the properties that are buffers, and whether each is saved. */
  protected readonly bufferNames = new Map<string, { readonly persistent: boolean }>();
  protected readonly hooks = { pre: new HookList<ForwardPreHook>(), post: new HookList<ForwardHook>() };

  /** The computation. Subclasses give it their own parameters and result; calling the module runs hooks around it. */
  // eslint-disable-next-line typescript/no-explicit-any -- subclasses narrow it
  forward(..._args: any[]): any {
    throw new OctetError(`Module [${this.getName()}] is missing the required "forward" function`);
  }

  /** @internal */
  [CALL](...args: readonly unknown[]): unknown {
    const top = interceptors.at(-1);
    return top ? top(this, args, (...inputs) => this.runHooked(inputs)) : this.runHooked(args);
  }

  /** Runs `forward` and the hooks around it. */
  private runHooked(args: readonly unknown[]): unknown {
    const { pre, post } = this.hooks;
    let inputs = args;
    try {
      for (const { hook } of pre.registrations) {
        const replaced = hook(this, inputs) ?? inputs;
        inputs = Array.isArray(replaced) ? (replaced as readonly unknown[]) : [replaced];
      }
      let output: unknown = this.forward(...inputs);
      for (const { hook } of post.registrations) output = hook(this, inputs, output) ?? output;
      return output;
    } catch (error) {
      locateFailure(error, this, inputs);
      throw error;
    }
  }

  /** The class's name, as printed. */
  getName(): string {
    return this.constructor.name;
  }

  // ---------------------------------------------------------------- registration

  /** Declares a tensor that belongs to the module but is not trained. A persistent one (the default) is saved. */
  registerBuffer(name: string, tensor: Tensor | null, options: { persistent?: boolean } = {}): void {
    checkName("buffer", name);
    this.checkFree("buffer", name, (value) => this.bufferNames.has(name) || value === null);
    this.bufferNames.set(name, { persistent: options.persistent ?? true });
    setProperty(this, name, tensor);
  }

  registerParameter(name: string, parameter: Parameter | null): void {
    checkName("parameter", name);
    this.checkFree("parameter", name, (value) => value instanceof Parameter || value === null);
    setProperty(this, name, parameter);
  }

  /** Adds a submodule under `name`; the same as assigning the property. */
  addModule(name: string, module: Module): void {
    checkName("module", name);
    this.setChild(name, module);
  }

  /** Refuses a name that stands for something else already, such as a method. */
  private checkFree(what: string, name: string, replaceable: (value: unknown) => boolean): void {
    const value = getProperty(this, name);
    if (value === undefined || replaceable(value)) return;
    throw new OctetError(`${this.getName()}: cannot register ${what} "${name}": the attribute exists already`);
  }

  registerForwardPreHook(hook: ForwardPreHook, options: { prepend?: boolean } = {}): RemovableHandle {
    return this.hooks.pre.add(hook, options.prepend);
  }

  registerForwardHook(hook: ForwardHook, options: { prepend?: boolean } = {}): RemovableHandle {
    return this.hooks.post.add(hook, options.prepend);
  }

  /** The hooks in the order they run. */
  registeredHooks(): { readonly pre: readonly ForwardPreHook[]; readonly post: readonly ForwardHook[] } {
    return { pre: this.hooks.pre.list(), post: this.hooks.post.list() };
  }

  /** Removes every registration of a hook. */
  removeHook(hook: ForwardHook | ForwardPreHook): void {
    this.hooks.pre.removeAll(hook);
    this.hooks.post.removeAll(hook);
  }

  // ---------------------------------------------------------------- iteration, in PyTorch's order

  /**
   * Every direct submodule under each of its names. Containers that keep theirs elsewhere than in properties override this
   * and {@link setChild}.
   */
  *ownModules(): IterableIterator<[string, Module]> {
    for (const [key, value] of Object.entries(this)) if (value instanceof Module) yield [key, value];
  }

  /** Replaces or adds one direct submodule. */
  setChild(name: string, module: Module): void {
    this.checkFree("module", name, (value) => value instanceof Module || value === null);
    setProperty(this, name, module);
  }

  /** The direct submodule of this name, if there is one. */
  ownModule(name: string): Module | undefined {
    const value = Object.hasOwn(this, name) ? getProperty(this, name) : undefined;
    return value instanceof Module ? value : undefined;
  }

  /** Removes a direct submodule. False if there is none of that name. */
  deleteChild(name: string): boolean {
    return getProperty(this, name) instanceof Module && delete (this as unknown as Record<string, unknown>)[name];
  }

  /** Direct submodules, each once: one that has several names is given under the first. */
  *namedChildren(): IterableIterator<[string, Module]> {
    const seen = new Set<Module>();
    for (const [name, module] of this.ownModules()) {
      if (seen.has(module)) continue;
      seen.add(module);
      yield [name, module];
    }
  }

  *children(): IterableIterator<Module> {
    for (const [, module] of this.namedChildren()) yield module;
  }

  /** This module and all below it with their paths, each once; "" is the path of the root. */
  *namedModules(prefix = "", seen: Set<Module> = new Set()): IterableIterator<[string, Module]> {
    if (seen.has(this)) return;
    seen.add(this);
    yield [prefix, this];
    for (const [name, child] of this.namedChildren()) yield* child.namedModules(join(prefix, name), seen);
  }

  *modules(): IterableIterator<Module> {
    for (const [, module] of this.namedModules()) yield module;
  }

  /** Parameters of this module alone. */
  *ownParameters(): IterableIterator<[string, Parameter]> {
    for (const [key, value] of Object.entries(this)) if (value instanceof Parameter) yield [key, value];
  }

  /** Buffers of this module alone that hold a tensor. */
  *ownBuffers(): IterableIterator<[string, Tensor]> {
    for (const name of this.bufferNames.keys()) {
      const value = getProperty(this, name);
      if (value instanceof Tensor) yield [name, value];
    }
  }

  /** All parameters with their dotted paths. One that is shared is given once, under the first. */
  *namedParameters(prefix = "", options: MemberOptions = {}): IterableIterator<[string, Parameter]> {
    yield* this.namedMembers(prefix, options, (module) => module.ownParameters());
  }

  *parameters(options: Pick<MemberOptions, "recurse"> = {}): IterableIterator<Parameter> {
    for (const [, parameter] of this.namedParameters("", options)) yield parameter;
  }

  *namedBuffers(prefix = "", options: MemberOptions = {}): IterableIterator<[string, Tensor]> {
    yield* this.namedMembers(prefix, options, (module) => module.ownBuffers());
  }

  *buffers(options: Pick<MemberOptions, "recurse"> = {}): IterableIterator<Tensor> {
    for (const [, buffer] of this.namedBuffers("", options)) yield buffer;
  }

  private *namedMembers<T extends Tensor>(
    prefix: string,
    { recurse = true, removeDuplicate = true }: MemberOptions,
    own: (module: Module) => Iterable<[string, T]>,
  ): IterableIterator<[string, T]> {
    const seen = new Set<T>();
    const modules: Iterable<[string, Module]> = recurse ? this.namedModules(prefix) : [[prefix, this]];
    for (const [path, module] of modules) {
      for (const [name, tensor] of own(module)) {
        if (removeDuplicate && seen.has(tensor)) continue;
        seen.add(tensor);
        yield [join(path, name), tensor];
      }
    }
  }

  /** The module at a dotted path; "" is this module. */
  getSubmodule(path: string): Module {
    if (path === "") return this;
    const [head, ...rest] = path.split(".");
    for (const [name, child] of this.ownModules()) if (name === head) return child.getSubmodule(rest.join("."));
    throw new OctetError(`${this.getName()} has no submodule "${head}"`);
  }

  /** Replaces the module at a dotted path. */
  setSubmodule(path: string, module: Module): void {
    const cut = path.lastIndexOf(".");
    this.getSubmodule(cut < 0 ? "" : path.slice(0, cut)).setChild(path.slice(cut + 1), module);
  }

  /** The parameter at a dotted path. */
  getParameter(path: string): Parameter {
    const cut = path.lastIndexOf(".");
    const owner = this.getSubmodule(cut < 0 ? "" : path.slice(0, cut));
    const name = path.slice(cut + 1);
    for (const [key, parameter] of owner.ownParameters()) if (key === name) return parameter;
    throw new OctetError(`${this.getName()} has no parameter "${path}"`);
  }

  // ---------------------------------------------------------------- modes and conversions

  /** Calls `fn` with every submodule, children first, then this module. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  train(mode = true): this {
    this.training = mode;
    for (const child of this.children()) child.train(mode);
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  requiresGrad_(value = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = value;
    return this;
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Converts floating-point parameters, their gradients, and buffers in place. */
  to(dtype: DType): this {
    if (!dtype.isFloatingPoint)
      throw new OctetError(`${this.getName()}.to: only accepts floating point dtypes, got ${dtype.name}`);
    for (const tensor of [...this.parameters(), ...this.buffers()]) {
      convertInPlace(tensor, dtype);
      if (tensor.grad) convertInPlace(tensor.grad, dtype);
    }
    return this;
  }

  float(): this {
    return this.to(float32);
  }

  double(): this {
    return this.to(float64);
  }

  half(): this {
    return this.to(float16);
  }

  /** A copy that shares nothing with this module; tensors shared inside stay shared (`copy.deepcopy`). */
  deepCopy(): this {
    return deepCopy(this);
  }

  // ---------------------------------------------------------------- state

  /** The version written to, and expected in, state-dict metadata. */
  stateVersion(): number {
    return 1;
  }

  /** Parameters and persistent buffers under their dotted keys. The tensors are detached but share storage. */
  stateDict(): StateDict {
    const state = new StateDict();
    this.collectState(state, "");
    return state;
  }

  private collectState(state: StateDict, prefix: string): void {
    state.metadata.set(prefix.slice(0, -1), { version: this.stateVersion() });
    this.saveToStateDict(state, prefix);
    for (const [name, child] of this.ownModules()) child.collectState(state, `${prefix}${name}.`);
  }

  /** Writes this module's own entries. Overridden by modules whose state is more than tensors in properties. */
  saveToStateDict(state: StateDict, prefix: string): void {
    for (const [name, tensor] of this.ownState()) state.set(prefix + name, tensor.detach());
  }

  /**
   * Copies values from `state` into parameters and buffers. Unless `strict` is false, missing and unexpected keys are
   * errors; misshapen entries always are. The error lists all of them.
   */
  loadStateDict(
    state: StateDictLike,
    options: { strict?: boolean; assign?: boolean } = {},
  ): Pick<LoadReport, "missingKeys" | "unexpectedKeys"> {
    const given = toStateMap(state);
    const metadata = given instanceof StateDict ? given.metadata : new Map<string, { version: number }>();
    const map = renameOldKeys(given, this.namedModules());
    const context: LoadContext = {
      state: map,
      metadata,
      assign: options.assign ?? false,
      missingKeys: [],
      unexpectedKeys: [],
      errors: [],
    };
    const used = new Set<string>();
    noGrad(() => this.distributeState(context, "", used));
    for (const key of map.keys()) if (!used.has(key)) context.unexpectedKeys.push(key);
    const problems = [...context.errors];
    if (options.strict ?? true) {
      if (context.unexpectedKeys.length) problems.unshift(keyList("Unexpected", context.unexpectedKeys));
      if (context.missingKeys.length) problems.unshift(keyList("Missing", context.missingKeys));
    }
    if (problems.length) {
      throw new OctetError(`Error(s) in loading state_dict for ${this.getName()}:\n\t${problems.join("\n\t")}`);
    }
    return { missingKeys: context.missingKeys, unexpectedKeys: context.unexpectedKeys };
  }

  /**
   * Where entries of older formats belong today, by names without the module's prefix: `{ gamma: "bn.weight" }`. An entry is
   * moved if its new name is free.
   */
  oldStateKeys(): Readonly<Record<string, string>> {
    return {};
  }

  private distributeState(context: LoadContext, prefix: string, used: Set<string>): void {
    for (const key of this.loadFromStateDict(context, prefix)) used.add(key);
    for (const [name, child] of this.ownModules()) child.distributeState(context, `${prefix}${name}.`, used);
  }

  /** Reads this module's own entries and returns the keys it knows. Overridden together with {@link saveToStateDict}. */
  loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const known: string[] = [];
    for (const [name, tensor] of this.ownState()) {
      const key = prefix + name;
      known.push(key);
      const source = context.state.get(key);
      if (source) this.loadTensor(key, tensor, source, context);
      else context.missingKeys.push(key);
    }
    return known;
  }

  private loadTensor(key: string, target: Tensor, source: Tensor, context: LoadContext): void {
    if (source.ndim !== target.ndim || source.shape.some((size, d) => size !== target.shape[d])) {
      context.errors.push(sizeMismatch(key, source.shape, target.shape));
    } else if (context.assign) {
      target.data = source;
    } else {
      const sameKind = source.dtype.isFloatingPoint === target.dtype.isFloatingPoint;
      if (sameKind) storeElements(`loadStateDict(${key})`, target, source);
      else
        context.errors.push(
          `dtype mismatch for ${key}: ${source.dtype.name} cannot be loaded into ${target.dtype.name}.`,
        );
    }
  }

  /** Own parameters, then own persistent buffers. */
  private *ownState(): IterableIterator<[string, Tensor]> {
    yield* this.ownParameters();
    for (const [name, tensor] of this.ownBuffers()) if (this.bufferNames.get(name)?.persistent) yield [name, tensor];
  }

  // ---------------------------------------------------------------- printing

  /** What stands between the parentheses when the module is printed. */
  extraRepr(): string {
    return "";
  }

  /** How the module is printed inside another one. */
  repr(): string {
    return this.toString();
  }

  /** The module tree as PyTorch prints it. */
  override toString(): string {
    const extra = this.extraRepr();
    const extraLines = extra ? extra.split("\n") : [];
    const children = [...this.ownModules()].map(([name, child]) => `(${name}): ${indent(child.repr())}`);
    if (!children.length && extraLines.length <= 1) return `${this.getName()}(${extra})`;
    return `${this.getName()}(${[...extraLines, ...children].map((line) => `\n  ${line}`).join("")}\n)`;
  }
}

/** Indents all lines but the first by two spaces. */
export function indent(text: string): string {
  return text.replaceAll("\n", "\n  ");
}

function join(prefix: string, name: string): string {
  return prefix ? `${prefix}.${name}` : name;
}

function keyList(what: string, keys: readonly string[]): string {
  return `${what} key(s) in state_dict: ${keys.map((key) => `"${key}"`).join(", ")}.`;
}

function checkName(what: string, name: string): void {
  if (name === "" || name.includes(".")) {
    throw new OctetError(`${what} name "${name}" must not be empty or contain "."`);
  }
  if (name === "name" || name === "length" || name === "prototype" || name === "__proto__") {
    throw new OctetError(`${what} name "${name}" is reserved: modules are functions, and functions own it`);
  }
}

function setProperty(module: Module, name: string, value: unknown): void {
  (module as unknown as Record<string, unknown>)[name] = value;
}

function getProperty(module: Module, name: string): unknown {
  return (module as unknown as Record<string, unknown>)[name];
}

function convertInPlace(tensor: Tensor, dtype: DType): void {
  if (!tensor.dtype.isFloatingPoint || tensor.dtype === dtype) return;
  tensor.data = Tensor.fromArray(convertArray(tensor.elements(), tensor.dtype, dtype), tensor.shape, dtype);
}
