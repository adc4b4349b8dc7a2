/** What graph mode is told about single modules, inputs and outputs (`torch.ao.quantization.fx.custom_config`). */
import { OctetError } from "../../core/errors.ts";
import type { BackendConfigDict } from "../backend-config/backend-config.ts";
import { BackendConfig } from "../backend-config/backend-config.ts";
import type { QConfigDict } from "../qconfig-mapping.ts";
import { QConfigMapping } from "../qconfig-mapping.ts";
import type { ObservedCustomClass, QuantizedCustomClass } from "../quantization-mappings.ts";
import { QuantType, _quantTypeFromStr } from "../quant-type.ts";
import type { ModuleClass } from "../recipes/recipe.ts";

/** How a standalone module is prepared; null follows the parent, or asks for nothing special. */
export interface StandaloneModuleConfigEntry {
  readonly qconfigMapping: QConfigMapping | null;
  readonly exampleInputs: unknown;
  readonly prepareCustomConfig: PrepareCustomConfig | null;
  readonly backendConfig: BackendConfig | null;
}

/** A standalone module's settings as plain data. Each may also be the object itself; a backend config stays one. */
type StandaloneSettings = readonly [
  qconfigMapping: QConfigMapping | Partial<QConfigDict> | null,
  exampleInputs: unknown,
  prepareCustomConfig: PrepareCustomConfig | PrepareCustomConfigDict | null,
  backendConfig: BackendConfig | BackendConfigDict | null,
];

type StandaloneTuple<K> = readonly [key: K, ...settings: StandaloneSettings];

type ByQuantType<C> = Readonly<Partial<Record<QuantType, ReadonlyMap<ModuleClass, C>>>>;

/** A {@link PrepareCustomConfig} as plain data, with PyTorch's keys; without what is not set. */
export interface PrepareCustomConfigDict {
  readonly standalone_module_name?: readonly StandaloneTuple<string>[];
  readonly standalone_module_class?: readonly StandaloneTuple<ModuleClass>[];
  readonly float_to_observed_custom_module_class?: ByQuantType<ObservedCustomClass>;
  readonly non_traceable_module_name?: readonly string[];
  readonly non_traceable_module_class?: readonly ModuleClass[];
  readonly input_quantized_idxs?: readonly number[];
  readonly output_quantized_idxs?: readonly number[];
  readonly preserved_attributes?: readonly string[];
}

/** Setters return the config itself, so that calls can be chained. */
export class PrepareCustomConfig {
  readonly standaloneModuleNames = new Map<string, StandaloneModuleConfigEntry>();
  readonly standaloneModuleClasses = new Map<ModuleClass, StandaloneModuleConfigEntry>();
  readonly floatToObservedMapping = new Map<QuantType, Map<ModuleClass, ObservedCustomClass>>();
  nonTraceableModuleNames: readonly string[] = [];
  nonTraceableModuleClasses: readonly ModuleClass[] = [];
  inputQuantizedIndexes: readonly number[] = [];
  outputQuantizedIndexes: readonly number[] = [];
  preservedAttributes: readonly string[] = [];

  /** The module with this path is traced and quantized on its own. */
  setStandaloneModuleName(
    moduleName: string,
    qconfigMapping: QConfigMapping | null,
    exampleInputs: unknown,
    prepareCustomConfig: PrepareCustomConfig | null,
    backendConfig: BackendConfig | null,
  ): this {
    const entry = { qconfigMapping, exampleInputs, prepareCustomConfig, backendConfig };
    this.standaloneModuleNames.set(moduleName, entry);
    return this;
  }

  /** All modules of this class are traced and quantized on their own. */
  setStandaloneModuleClass(
    moduleClass: ModuleClass,
    qconfigMapping: QConfigMapping | null,
    exampleInputs: unknown,
    prepareCustomConfig: PrepareCustomConfig | null,
    backendConfig: BackendConfig | null,
  ): this {
    const entry = { qconfigMapping, exampleInputs, prepareCustomConfig, backendConfig };
    this.standaloneModuleClasses.set(moduleClass, entry);
    return this;
  }

  /** Modules of a class of your own become observed ones by `observedClass.fromFloat(module)`. Static quantization only. */
  setFloatToObservedMapping(
    floatClass: ModuleClass,
    observedClass: ObservedCustomClass,
    quantType: QuantType = QuantType.STATIC,
  ): this {
    if (quantType !== QuantType.STATIC) {
      throw new OctetError("set_float_to_observed_mapping is currently only supported for static quantization");
    }
    addMapping(this.floatToObservedMapping, quantType, floatClass, observedClass);
    return this;
  }

  /** Modules that are not looked into while tracing, and stay as they are. */
  setNonTraceableModuleNames(moduleNames: readonly string[]): this {
    this.nonTraceableModuleNames = [...moduleNames];
    return this;
  }

  setNonTraceableModuleClasses(moduleClasses: readonly ModuleClass[]): this {
    this.nonTraceableModuleClasses = [...moduleClasses];
    return this;
  }

  /** Inputs of the model that will be quint8 tensors. */
  setInputQuantizedIndexes(indexes: readonly number[]): this {
    this.inputQuantizedIndexes = checkedIndexes("setInputQuantizedIndexes", indexes);
    return this;
  }

  /** Outputs of the model that stay quantized. */
  setOutputQuantizedIndexes(indexes: readonly number[]): this {
    this.outputQuantizedIndexes = checkedIndexes("setOutputQuantizedIndexes", indexes);
    return this;
  }

  /** Attributes of the model that are kept although `forward` does not use them. */
  setPreservedAttributes(attributes: readonly string[]): this {
    this.preservedAttributes = [...attributes];
    return this;
  }

  static fromDict(dict: PrepareCustomConfigDict): PrepareCustomConfig {
    const config = new PrepareCustomConfig();
    checkKeys("PrepareCustomConfig", dict, config.completeDict());
    for (const [name, ...settings] of dict.standalone_module_name ?? []) {
      config.setStandaloneModuleName(name, ...standaloneObjects("standalone_module_name", settings));
    }
    for (const [type, ...settings] of dict.standalone_module_class ?? []) {
      config.setStandaloneModuleClass(type, ...standaloneObjects("standalone_module_class", settings));
    }
    for (const [type, float, observed] of mappingEntries(dict.float_to_observed_custom_module_class)) {
      config.setFloatToObservedMapping(float, observed, type);
    }
    return config
      .setNonTraceableModuleNames(dict.non_traceable_module_name ?? [])
      .setNonTraceableModuleClasses(dict.non_traceable_module_class ?? [])
      .setInputQuantizedIndexes(dict.input_quantized_idxs ?? [])
      .setOutputQuantizedIndexes(dict.output_quantized_idxs ?? [])
      .setPreservedAttributes(dict.preserved_attributes ?? []);
  }

  toDict(): PrepareCustomConfigDict {
    return withoutEmpty(this.completeDict());
  }

  private completeDict(): Required<PrepareCustomConfigDict> {
    return {
      standalone_module_name: [...this.standaloneModuleNames].map(standaloneTuple),
      standalone_module_class: [...this.standaloneModuleClasses].map(standaloneTuple),
      float_to_observed_custom_module_class: Object.fromEntries(this.floatToObservedMapping),
      non_traceable_module_name: this.nonTraceableModuleNames,
      non_traceable_module_class: this.nonTraceableModuleClasses,
      input_quantized_idxs: this.inputQuantizedIndexes,
      output_quantized_idxs: this.outputQuantizedIndexes,
      preserved_attributes: this.preservedAttributes,
    };
  }
}

/** A {@link ConvertCustomConfig} as plain data. */
export interface ConvertCustomConfigDict {
  readonly observed_to_quantized_custom_module_class?: ByQuantType<QuantizedCustomClass>;
  readonly preserved_attributes?: readonly string[];
}

export class ConvertCustomConfig {
  readonly observedToQuantizedMapping = new Map<QuantType, Map<ModuleClass, QuantizedCustomClass>>();
  preservedAttributes: readonly string[] = [];

  /** Observed modules of a class of your own are quantized by `quantizedClass.fromObserved(module)`. */
  setObservedToQuantizedMapping(
    observedClass: ModuleClass,
    quantizedClass: QuantizedCustomClass,
    quantType: QuantType = QuantType.STATIC,
  ): this {
    addMapping(this.observedToQuantizedMapping, quantType, observedClass, quantizedClass);
    return this;
  }

  /** See {@link PrepareCustomConfig.setPreservedAttributes}. */
  setPreservedAttributes(attributes: readonly string[]): this {
    this.preservedAttributes = [...attributes];
    return this;
  }

  static fromDict(dict: ConvertCustomConfigDict): ConvertCustomConfig {
    const config = new ConvertCustomConfig();
    checkKeys("ConvertCustomConfig", dict, config.completeDict());
    for (const [type, observed, quantized] of mappingEntries(dict.observed_to_quantized_custom_module_class)) {
      config.setObservedToQuantizedMapping(observed, quantized, type);
    }
    return config.setPreservedAttributes(dict.preserved_attributes ?? []);
  }

  toDict(): ConvertCustomConfigDict {
    return withoutEmpty(this.completeDict());
  }

  private completeDict(): Required<ConvertCustomConfigDict> {
    return {
      observed_to_quantized_custom_module_class: Object.fromEntries(this.observedToQuantizedMapping),
      preserved_attributes: this.preservedAttributes,
    };
  }
}

/** A {@link FuseCustomConfig} as plain data. */
export interface FuseCustomConfigDict {
  readonly preserved_attributes?: readonly string[];
}

export class FuseCustomConfig {
  preservedAttributes: readonly string[] = [];

  /** See {@link PrepareCustomConfig.setPreservedAttributes}. */
  setPreservedAttributes(attributes: readonly string[]): this {
    this.preservedAttributes = [...attributes];
    return this;
  }

  static fromDict(dict: FuseCustomConfigDict): FuseCustomConfig {
    checkKeys("FuseCustomConfig", dict, { preserved_attributes: [] });
    return new FuseCustomConfig().setPreservedAttributes(dict.preserved_attributes ?? []);
  }

  toDict(): FuseCustomConfigDict {
    return withoutEmpty({ preserved_attributes: this.preservedAttributes });
  }
}

function standaloneTuple<K>([key, entry]: readonly [K, StandaloneModuleConfigEntry]): StandaloneTuple<K> {
  const { qconfigMapping, exampleInputs, prepareCustomConfig, backendConfig } = entry;
  return [key, qconfigMapping?.toDict() ?? null, exampleInputs, prepareCustomConfig?.toDict() ?? null, backendConfig];
}

type StandaloneObjects = readonly [
  qconfigMapping: QConfigMapping | null,
  exampleInputs: unknown,
  prepareCustomConfig: PrepareCustomConfig | null,
  backendConfig: BackendConfig | null,
];

/** The objects that a tuple without its key stands for. */
function standaloneObjects(
  key: string,
  [mapping, exampleInputs, custom, backend]: StandaloneSettings,
): StandaloneObjects {
  return [
    objectOf(key, QConfigMapping, mapping),
    exampleInputs,
    objectOf(key, PrepareCustomConfig, custom),
    objectOf(key, BackendConfig, backend),
  ];
}

/** `value` if it is an object of that class, or the object that a plain dictionary stands for. */
function objectOf<T extends object, D extends object>(
  key: string,
  type: { new (): T; fromDict(dict: D): T },
  value: T | D | null | undefined,
): T | null {
  if (value === null || value === undefined) return null;
  if (value instanceof type) return value;
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (prototype === Object.prototype || prototype === null) return type.fromDict(value as D);
  throw new OctetError(
    `PrepareCustomConfig.fromDict: ${key} expects a ${type.name} or its dictionary, got ${describe(value)}`,
  );
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : typeof value;
}

function addMapping<C>(by: Map<QuantType, Map<ModuleClass, C>>, type: QuantType, from: ModuleClass, to: C): void {
  const mapping = by.get(type) ?? new Map<ModuleClass, C>();
  by.set(type, mapping.set(from, to));
}

function* mappingEntries<C>(dict: ByQuantType<C> = {}): Iterable<readonly [QuantType, ModuleClass, C]> {
  for (const [name, mapping] of Object.entries(dict)) {
    for (const [from, to] of mapping) yield [_quantTypeFromStr(name), from, to];
  }
}

function checkedIndexes(setter: string, indexes: readonly number[]): readonly number[] {
  const wrong = indexes.find((index) => !Number.isInteger(index) || index < 0);
  if (wrong !== undefined) throw new OctetError(`${setter}: expects positions counted from 0, got ${wrong}`);
  return [...indexes];
}

function checkKeys(what: string, dict: object, known: object): void {
  const unknown = Object.keys(dict).find((key) => !(key in known));
  if (unknown === undefined) return;
  throw new OctetError(`${what}.fromDict: unknown key "${unknown}"; known: "${Object.keys(known).join('", "')}"`);
}

/** Leaves out empty arrays and records. */
function withoutEmpty<T extends object>(dict: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(dict).filter(([, value]) => Object.keys(value as object).length > 0),
  ) as Partial<T>;
}
