/**
 * Looks for missing stubs before anything is quantized: the float model runs once on an example, and it is followed which values
 * would be quantized after conversion, and who would get them.
 */
import { noGrad } from "../../autograd/grad-mode.ts";
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import { withInterpreter } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { getDefaultStaticQuantModuleMappings } from "../quantization-mappings.ts";
import { FloatFunctional } from "../recipes/functional.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { DeQuantStub, QuantStub } from "../stubs.ts";
import { getDefaultCustomConfigDict } from "./custom-config.ts";
import { classOf, propagateQconfig_ } from "./observe.ts";
import { QuantizedValues, tensorsIn } from "./quantized-values.ts";

/** One thing that would fail, or not be quantized as meant, in the converted model. */
export interface StubFinding {
  /** Path of the module where it happens; "" is the model itself. */
  readonly module: string;
  /** The module's class as it is now. */
  readonly class: string;
  readonly problem: string;
  /** Which stub is missing where, or what to do instead. */
  readonly advice: string;
}

const FUNCTIONAL_METHODS = ["add", "addScalar", "mul", "mulScalar", "cat", "addRelu", "matmul"] as const;

/**
 * Tells which modules of a float model with qconfigs would get a float tensor where they need a quantized one, or the reverse,
 * once it is prepared and converted in eager mode; and which operators would run on quantized tensors without being able to.
 * Empty if all is well. The model is not changed: a copy runs, in evaluation mode.
 *
 * `example` is the model's input, or an array of its inputs.
 *
 * @throws if no module has a qconfig.
 */
export function checkStubs(model: Module, example: Tensor | readonly unknown[]): StubFinding[] {
  const copy = model.deepCopy().eval();
  propagateQconfig_(copy);
  if (![...copy.modules()].some((module) => module.qconfig)) {
    throw new OctetError("checkStubs: no module has a qconfig; set model.qconfig as for prepare");
  }
  const check = new StubCheck(copy);
  const inputs = Array.isArray(example) ? (example as readonly unknown[]) : [example];
  const output = noGrad(() => withInterpreter(check.values, () => copy(...inputs) as unknown));
  check.checkOutput(output);
  return check.findings;
}

/** Watches the modules of one copy of a model. */
class StubCheck {
  readonly findings: StubFinding[] = [];
  readonly values: QuantizedValues;
  private readonly paths: ReadonlyMap<Module, string>;
  private readonly convertible: ReadonlySet<ModuleClass>;
  /** The modules that are running, innermost last. */
  private readonly running: Module[];

  constructor(root: Module) {
    const custom = getDefaultCustomConfigDict().floatToObservedCustomModuleClass ?? new Map<ModuleClass, unknown>();
    this.convertible = new Set([...getDefaultStaticQuantModuleMappings().keys(), ...custom.keys()]);
    this.paths = new Map([...root.namedModules()].map(([path, module]) => [module, path]));
    this.running = [root];
    this.values = new QuantizedValues((problem, advice) => this.report(this.running.at(-1) as Module, problem, advice));
    for (const module of this.paths.keys()) this.watch(module);
  }

  checkOutput(output: unknown): void {
    if (!tensorsIn(output).some((x) => this.values.has(x))) return;
    this.report(this.running[0], "its output is quantized", "place a DeQuantStub behind what it returns");
  }

  private watch(module: Module): void {
    if (module instanceof FloatFunctional) return this.watchFunctional(module);
    module.registerForwardPreHook((_module, args) => this.enter(module, tensorsIn(args)), { prepend: true });
    module.registerForwardHook((_module, args, output) => this.leave(module, tensorsIn(args), output));
  }

  private enter(module: Module, inputs: readonly Tensor[]): void {
    this.running.push(module);
    if (this.values.paused) return;
    if (this.converts(module)) {
      this.needQuantized(module, inputs, "");
      this.values.paused = module;
    } else if (module instanceof QuantStub && module.qconfig && inputs.some((x) => this.values.has(x))) {
      this.report(module, "it quantizes a quantized tensor", "remove this QuantStub, or place a DeQuantStub before it");
    }
  }

  /** Gives what to use instead of the output, if anything. */
  private leave(module: Module, inputs: readonly Tensor[], output: unknown): Tensor | undefined {
    this.running.pop();
    if (this.values.paused === module) {
      this.values.paused = null;
      // What takes only integers (an embedding) gives floats.
      if (inputs.some((x) => x.dtype.isFloatingPoint)) this.values.add(output);
    }
    const isStub = module instanceof QuantStub || module instanceof DeQuantStub;
    if (this.values.paused || !isStub || !module.qconfig) return undefined;
    // The stub gives its argument itself: what it stands for needs an identity of its own.
    const made = (output as Tensor).detach();
    if (module instanceof QuantStub) this.values.add(made);
    return made;
  }

  /** Whether conversion exchanges the module for one that takes quantized tensors. It never exchanges the root. */
  private converts(module: Module): boolean {
    const isStub = module instanceof QuantStub || module instanceof DeQuantStub;
    return Boolean(module.qconfig) && !isStub && module !== this.running[0] && this.convertible.has(classOf(module));
  }

  /** A FloatFunctional is not called itself: its methods are. */
  private watchFunctional(functional: FloatFunctional): void {
    for (const name of FUNCTIONAL_METHODS) {
      const method = functional[name] as (...args: readonly unknown[]) => Tensor;
      const watched = (...args: readonly unknown[]): Tensor => {
        const inputs = tensorsIn(args);
        const converted = Boolean(functional.qconfig) && !this.values.paused;
        this.running.push(functional);
        if (converted) {
          this.needQuantized(functional, inputs, ` in ${name}`);
          this.values.paused = functional;
        }
        const result = method.apply(functional, args as never);
        if (converted) {
          this.values.paused = null;
          this.values.add(result);
        }
        this.running.pop();
        return result;
      };
      Object.defineProperty(functional, name, { value: watched });
    }
  }

  private needQuantized(module: Module, inputs: readonly Tensor[], where: string): void {
    const floats = inputs.filter((x) => x.dtype.isFloatingPoint && !this.values.has(x));
    if (!floats.length) return;
    const all = floats.length === inputs.length ? "it gets" : "one of its inputs is";
    this.report(module, `${all} a float tensor${where}, but will need a quantized one`, "place a QuantStub before it");
  }

  /** Each finding once, however often the module runs. */
  private report(module: Module, problem: string, advice: string): void {
    const path = this.paths.get(module) ?? "";
    if (this.findings.some((found) => found.module === path && found.problem === problem)) return;
    this.findings.push({ module: path, class: module.getName(), problem, advice });
  }
}
