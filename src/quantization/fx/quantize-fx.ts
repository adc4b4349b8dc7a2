/** Graph-mode quantization (`torch.ao.quantization.quantize_fx`): no stubs, no lists of what to fuse. */
import { OctetError } from "../../core/errors.ts";
import { warn } from "../../core/warnings.ts";
import { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import { deepCopy } from "../../nn/deep-copy.ts";
import { Module } from "../../nn/module.ts";
import { BackendConfig } from "../backend-config/backend-config.ts";
import type { BackendConfigDict } from "../backend-config/backend-config.ts";
import { getNativeBackendConfig } from "../backend-config/backends.ts";
import { swapFloatFunctionals } from "./swap-float-functionals.ts";
import type { QConfigDict } from "../qconfig-mapping.ts";
import { QConfigMapping } from "../qconfig-mapping.ts";
import { QuantType } from "../quant-type.ts";
import type { ConvertOptions } from "./convert-context.ts";
import { convert } from "./convert.ts";
import type { ConvertCustomConfigDict, FuseCustomConfigDict, PrepareCustomConfigDict } from "./custom-config.ts";
import { ConvertCustomConfig, FuseCustomConfig, PrepareCustomConfig } from "./custom-config.ts";
import { fuse } from "./fuse.ts";
import type { Scope } from "./node-qconfigs.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { namedModulesOf } from "./node-queries.ts";
import { isPrepared, observedGraph, observedStandalone } from "./observed-graph.ts";
import { prepare } from "./prepare.ts";
import type { NestedSettings } from "./prepare-context.ts";
import { QuantizationTracer } from "./tracer.ts";
import { warnOfUnusedRules } from "./unused-rules.ts";

export interface PrepareFxOptions {
  readonly prepareCustomConfig?: PrepareCustomConfig | PrepareCustomConfigDict;
  /** Default {@link getNativeBackendConfig}. */
  readonly backendConfig?: BackendConfig | BackendConfigDict;
}

export interface ConvertFxOptions {
  readonly convertCustomConfig?: ConvertCustomConfig | ConvertCustomConfigDict;
  /** May set to null what was prepared, to keep it in float; nothing else may differ from the mapping given to prepareFx. */
  readonly qconfigMapping?: QConfigMapping | Partial<QConfigDict>;
  readonly backendConfig?: BackendConfig | BackendConfigDict;
  /** Default true. */
  readonly removeQconfig?: boolean;
  /**
   * Converts a model that has seen no data, with scales of 1: for one whose state is loaded next. By default that is an
   * error.
   */
  readonly allowUncalibrated?: boolean;
}

export interface FuseFxOptions {
  readonly fuseCustomConfig?: FuseCustomConfig | FuseCustomConfigDict;
  readonly backendConfig?: BackendConfig | BackendConfigDict;
}

/**
 * A copy of `model` (its parameters are shared), traced, with modules fused and observers inserted; run it on calibration
 * data, then {@link convertFx} it. The model must be in evaluation mode for batch norms to be folded.
 *
 * `exampleInputs` are PyTorch's: they are kept for its signature, tracing needs no values.
 *
 * @throws TraceError if the model's control flow depends on values.
 */
export function prepareFx(
  model: Module,
  qconfigMapping: QConfigMapping | Partial<QConfigDict>,
  _exampleInputs: unknown,
  options: PrepareFxOptions = {},
): GraphModule {
  return prepareModel(model, qconfigMapping, options, false);
}

/** {@link prepareFx} for quantization-aware training: fake quantization instead of observers. */
export function prepareQatFx(
  model: Module,
  qconfigMapping: QConfigMapping | Partial<QConfigDict>,
  _exampleInputs: unknown,
  options: PrepareFxOptions = {},
): GraphModule {
  return prepareModel(model, qconfigMapping, options, true);
}

/** A copy of `model`, in evaluation mode, traced and with modules fused. */
export function fuseFx(model: Module, options: FuseFxOptions = {}): GraphModule {
  checkModule("fuse_fx", model);
  const config = options.fuseCustomConfig ?? new FuseCustomConfig();
  const { preservedAttributes } = config instanceof FuseCustomConfig ? config : FuseCustomConfig.fromDict(config);
  const { traced } = traceModel(sharingParameters(model), new QuantizationTracer());
  preserve(model, traced, preservedAttributes);
  return fuse(traced, false, backendOf(options.backendConfig));
}

/** The quantized form of a model that {@link prepareFx} or {@link prepareQatFx} gave and that has seen data. */
export function convertFx(graphModule: GraphModule, options: ConvertFxOptions = {}): GraphModule {
  return convertModel(graphModule, options, false);
}

/** {@link convertFx} without lowering: quantize and dequantize around float operators, for other backends to lower. */
export function convertToReferenceFx(graphModule: GraphModule, options: ConvertFxOptions = {}): GraphModule {
  return convertModel(graphModule, options, true);
}

function prepareModel(
  model: Module,
  qconfigMapping: QConfigMapping | Partial<QConfigDict>,
  options: PrepareFxOptions,
  isQat: boolean,
): GraphModule {
  const op = isQat ? "prepare_qat_fx" : "prepare_fx";
  checkModule(op, model);
  checkUnprepared(op, model);
  if (model.training && !isQat) warn(`${op}: the model is in training mode; call eval() before it is prepared`);
  const given = options.prepareCustomConfig ?? new PrepareCustomConfig();
  const prepareCustomConfig = given instanceof PrepareCustomConfig ? given : PrepareCustomConfig.fromDict(given);
  const settings = {
    qconfigMapping: mappingOf(qconfigMapping),
    prepareCustomConfig,
    backendConfig: backendOf(options.backendConfig),
  };
  const prepared = traceAndPrepare(isQat ? model.deepCopy() : sharingParameters(model), settings, isQat, false);
  preserve(model, prepared, prepareCustomConfig.preservedAttributes);
  return prepared;
}

function traceAndPrepare(model: Module, settings: NestedSettings, isQat: boolean, isStandalone: boolean): GraphModule {
  const { prepareCustomConfig: custom, backendConfig } = settings;
  swapFloatFunctionals(model);
  const nested = isStandalone
    ? { names: [], classes: [] }
    : {
        names: [...custom.standaloneModuleNames.keys()],
        classes: [
          ...custom.standaloneModuleClasses.keys(),
          ...(custom.floatToObservedMapping.get(QuantType.STATIC)?.keys() ?? []),
        ],
      };
  const tracer = new QuantizationTracer(
    [...custom.nonTraceableModuleNames, ...nested.names],
    [...custom.nonTraceableModuleClasses, ...nested.classes],
  );
  const { traced, scopes } = traceModel(model, tracer);
  const op = isQat ? "prepare_qat_fx" : "prepare_fx";
  warnOfUnusedRules(op, settings.qconfigMapping, traced.graph.nodes, namedModulesOf(traced), scopes);
  fuse(traced, isQat, backendConfig);
  return prepare(traced, {
    ...settings,
    isQat,
    scopes,
    isStandalone,
    prepareNested: (module, nestedSettings) => {
      const prepared = traceAndPrepare(module, nestedSettings, isQat, true);
      preserve(module, prepared, nestedSettings.prepareCustomConfig.preservedAttributes);
      return prepared;
    },
  });
}

/** A graph that only calls leaves is taken as it is, with its names and what was noted on its nodes. */
function traceModel(model: Module, tracer: QuantizationTracer): { traced: GraphModule; scopes: Map<string, Scope> } {
  if (model instanceof GraphModule && callsOnlyLeaves(model, tracer)) {
    return { traced: model, scopes: new Map([...model.graph.nodes].map((node) => [node.name, ownScope(node, model)])) };
  }
  const graph = tracer.trace(model);
  const traced = new GraphModule(model, graph, model.getName());
  const scopes = [...tracer.nodeNameToScope].map(([name, [modulePath, type]]): [string, Scope] => [
    name,
    { modulePath, moduleType: modulePath === "" ? null : (type as ModuleClass) },
  ]);
  return { traced, scopes: new Map(scopes) };
}

function callsOnlyLeaves(model: GraphModule, tracer: QuantizationTracer): boolean {
  const calls = [...model.graph.nodes].filter(({ op }) => op === "call_module");
  return calls.every(({ target }) => tracer.isLeafModule(model.getSubmodule(String(target)), String(target)));
}

/** A module is its own scope; everything else stands at the top. */
function ownScope({ op, target }: FxNode, model: GraphModule): Scope {
  if (op !== "call_module") return { modulePath: "", moduleType: null };
  const module = model.getSubmodule(String(target));
  return { modulePath: String(target), moduleType: module.constructor as unknown as ModuleClass };
}

function convertModel(graphModule: GraphModule, options: ConvertFxOptions, isReference: boolean): GraphModule {
  if (!(graphModule instanceof GraphModule)) {
    throw new OctetError(
      `input model must be a GraphModule, Got type:${describe(graphModule)} Please make sure to follow the tutorials.`,
    );
  }
  observedGraph(graphModule);
  const custom = options.convertCustomConfig ?? new ConvertCustomConfig();
  const convertCustomConfig = custom instanceof ConvertCustomConfig ? custom : ConvertCustomConfig.fromDict(custom);
  const convertOptions: ConvertOptions = {
    isReference,
    convertCustomConfig,
    qconfigMapping: options.qconfigMapping && mappingOf(options.qconfigMapping),
    backendConfig: backendOf(options.backendConfig),
    removeQconfig: options.removeQconfig ?? true,
    allowUncalibrated: options.allowUncalibrated ?? false,
  };
  const converted = convert(sharingParameters(graphModule), convertOptions);
  preserve(graphModule, converted, convertCustomConfig.preservedAttributes);
  return converted;
}

/** A copy with the same parameters: neither calibration nor conversion changes them. Buffers are copied. */
function sharingParameters<M extends Module>(model: M): M {
  return deepCopy(model, new Map([...model.parameters()].map((parameter) => [parameter, parameter])));
}

/** A copy, because preparing adds rules for fused and trained classes. */
function mappingOf(mapping: QConfigMapping | Partial<QConfigDict>): QConfigMapping {
  return QConfigMapping.fromDict(mapping instanceof QConfigMapping ? mapping.toDict() : mapping);
}

function backendOf(backend: BackendConfig | BackendConfigDict | undefined): BackendConfig {
  if (backend instanceof BackendConfig) return backend;
  return backend ? BackendConfig.fromDict(backend) : getNativeBackendConfig();
}

/** Attributes that a graph does not mention would be lost. */
function preserve(from: Module, to: GraphModule, names: readonly string[]): void {
  const [source, target] = [from, to] as unknown as Record<string, unknown>[];
  for (const name of names) {
    if (!(name in source)) throw new OctetError(`preserved attribute "${name}": the model has none of that name`);
    target[name] = source[name];
  }
}

function checkModule(op: string, model: unknown): asserts model is Module {
  if (!(model instanceof Module)) throw new OctetError(`${op}: expects a module, got ${describe(model)}`);
}

function checkUnprepared(op: string, model: Module): void {
  for (const [path, module] of model.namedModules()) {
    if (!isPrepared(module) || observedStandalone(module)) continue;
    const which = path ? `"${path}"` : "the model";
    throw new OctetError(`${op}: ${which} was prepared before; convert that, or prepare the float model again`);
  }
}

function describe(value: unknown): string {
  if (value instanceof Module) return value.getName();
  return value === null ? "null" : ((value as object | undefined)?.constructor?.name ?? typeof value);
}
