/** What a backend can do with one pattern (`torch.ao.quantization.backend_config.BackendPatternConfig`). */
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { ModuleClass, QuantizedClass, ReferenceClass } from "../recipes/recipe.ts";
import { checkKeys } from "./dict-keys.ts";
import type { DTypeConfigDict } from "./dtype-config.ts";
import { DTypeConfig } from "./dtype-config.ts";
import { ObservationType } from "./observation-type.ts";
import type { NodePattern, Pattern } from "./pattern.ts";
import { isPatternSequence, nestedForm } from "./pattern.ts";

/** Makes one module of what a pattern matched. Its arguments after the first are the pattern's elements, as it is written. */
export type FuserMethod = (isQat: boolean, ...parts: never[]) => Module;

/** A fuser of parts in the nesting of {@link BackendPatternConfig.complexPattern}. */
export type NestedFuserMethod = (isQat: boolean, ...parts: readonly unknown[]) => Module;

/** The node into whose module the others are fused. */
export type RootNodeGetter = (nodes: NodePattern) => FxNode;

/** Nodes whose values the fused module takes besides the root's inputs. */
export type ExtraInputsGetter = (nodes: NodePattern) => readonly FxNode[];

/** Positions among a function's arguments. */
export type InputTypeToIndex = Readonly<Partial<Record<"input" | "weight" | "bias", number>>>;

/** A {@link BackendPatternConfig} as plain data, with PyTorch's keys; without what is not set. */
export interface BackendPatternConfigDict {
  readonly pattern?: Pattern;
  readonly observation_type?: ObservationType;
  readonly dtype_configs?: readonly (DTypeConfig | DTypeConfigDict)[];
  readonly root_module?: ModuleClass;
  readonly qat_module?: QuantizedClass;
  readonly reference_quantized_module_for_root?: ReferenceClass | QuantizedClass;
  readonly fused_module?: ModuleClass;
  readonly fuser_method?: FuserMethod;
  readonly root_node_getter?: RootNodeGetter;
  readonly extra_inputs_getter?: ExtraInputsGetter;
  readonly num_tensor_args_to_observation_type?: ReadonlyMap<number, ObservationType>;
  readonly input_type_to_index?: InputTypeToIndex;
  /** Instead of `pattern`: in the nested form. */
  readonly pattern_complex_format?: Pattern;
}

const dictKeys: readonly (keyof BackendPatternConfigDict)[] = [
  "pattern",
  "observation_type",
  "dtype_configs",
  "root_module",
  "qat_module",
  "reference_quantized_module_for_root",
  "fused_module",
  "fuser_method",
  "root_node_getter",
  "extra_inputs_getter",
  "num_tensor_args_to_observation_type",
  "input_type_to_index",
  "pattern_complex_format",
];

export class BackendPatternConfig {
  pattern: Pattern | null;
  patternComplexFormat: Pattern | null = null;
  observationType: ObservationType = ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT;
  dtypeConfigs: readonly DTypeConfig[] = [];
  rootModule: ModuleClass | null = null;
  qatModule: QuantizedClass | null = null;
  referenceQuantizedModule: ReferenceClass | QuantizedClass | null = null;
  fusedModule: ModuleClass | null = null;
  fuserMethod: FuserMethod | null = null;
  rootNodeGetter: RootNodeGetter | null = null;
  extraInputsGetter: ExtraInputsGetter | null = null;
  numTensorArgsToObservationType: ReadonlyMap<number, ObservationType> = new Map();
  inputTypeToIndex: InputTypeToIndex = {};

  /** `pattern`: a module class, function or method name, or a sequence of two or three in the order of computation. */
  constructor(pattern: Pattern | null = null) {
    this.pattern = pattern;
  }

  setPattern(pattern: Pattern): this {
    if (this.patternComplexFormat !== null) refuseTwoPatterns();
    this.pattern = pattern;
    return this;
  }

  /** Default: input and output are observed apart. */
  setObservationType(observationType: ObservationType): this {
    this.observationType = observationType;
    return this;
  }

  /** A qconfig is served if one of the dtype configs fits it. */
  addDtypeConfig(dtypeConfig: DTypeConfig): this {
    return this.setDtypeConfigs([...this.dtypeConfigs, dtypeConfig]);
  }

  /** Instead of all that were added. */
  setDtypeConfigs(dtypeConfigs: readonly DTypeConfig[]): this {
    this.dtypeConfigs = Object.freeze([...dtypeConfigs]);
    return this;
  }

  /** The module that holds the weight, which conversion swaps for {@link setReferenceQuantizedModule}'s. */
  setRootModule(rootModule: ModuleClass | null): this {
    this.rootModule = rootModule;
    return this;
  }

  /** Trains with fake quantization in place of the pattern. */
  setQatModule(qatModule: QuantizedClass | null): this {
    this.qatModule = qatModule;
    return this;
  }

  /** The reference form of the root module; both have to be set on the same config. */
  setReferenceQuantizedModule(referenceQuantizedModule: ReferenceClass | QuantizedClass | null): this {
    this.referenceQuantizedModule = referenceQuantizedModule;
    return this;
  }

  /** What the fuser method makes. */
  setFusedModule(fusedModule: ModuleClass | null): this {
    this.fusedModule = fusedModule;
    return this;
  }

  /**
   * `(isQat, conv, relu) => new ConvReLU2d(conv, relu)` for the pattern [Conv2d, ReLU]. For a pattern in the nested form
   * the parts come nested too.
   */
  setFuserMethod(fuserMethod: FuserMethod | null): this {
    this.fuserMethod = fuserMethod;
    return this;
  }

  /** Default: the innermost of the last arguments. */
  _setRootNodeGetter(rootNodeGetter: RootNodeGetter | null): this {
    this.rootNodeGetter = rootNodeGetter;
    return this;
  }

  _setExtraInputsGetter(extraInputsGetter: ExtraInputsGetter | null): this {
    this.extraInputsGetter = extraInputsGetter;
    return this;
  }

  /** Instead of the observation type, for operators that also take numbers. */
  _setNumTensorArgsToObservationType(types: ReadonlyMap<number, ObservationType>): this {
    this.numTensorArgsToObservationType = types;
    return this;
  }

  /** Where a function takes its weight and bias. */
  _setInputTypeToIndex(inputTypeToIndex: InputTypeToIndex): this {
    this.inputTypeToIndex = inputTypeToIndex;
    return this;
  }

  /** The pattern with every operator before its arguments: `[add, [BatchNorm2d, Conv2d], MatchAllNode]`. */
  _setPatternComplexFormat(pattern: Pattern): this {
    if (this.pattern !== null) refuseTwoPatterns();
    this.patternComplexFormat = pattern;
    return this;
  }

  /** The pattern in the nested form, however it was given. */
  get complexPattern(): Pattern {
    if (this.patternComplexFormat !== null) return this.patternComplexFormat;
    if (this.pattern !== null) return nestedForm(this.pattern);
    throw new OctetError("Either 'pattern' or 'pattern_complex_format' must be specified");
  }

  /** The fuser method for parts in the nesting of {@link complexPattern}. */
  get complexFuserMethod(): NestedFuserMethod | null {
    const fuse = this.fuserMethod as NestedFuserMethod | null;
    if (!fuse || this.patternComplexFormat !== null) return fuse;
    if (this.pattern === null || !isPatternSequence(this.pattern)) {
      throw new OctetError("A fuser method needs a pattern of 2 or 3 elements");
    }
    if (this.pattern.length === 2) return (isQat, b, a) => fuse(isQat, a, b);
    return (isQat, c, inner) => {
      const [b, a] = inner as readonly unknown[];
      return fuse(isQat, a, b, c);
    };
  }

  static fromDict(dict: BackendPatternConfigDict): BackendPatternConfig {
    checkKeys("BackendPatternConfig", dict, dictKeys);
    const config = new BackendPatternConfig();
    if (dict.pattern !== undefined) config.setPattern(dict.pattern);
    if (dict.observation_type !== undefined) config.setObservationType(dict.observation_type);
    config
      .setDtypeConfigs((dict.dtype_configs ?? []).map(dtypeConfigOf))
      .setRootModule(dict.root_module ?? null)
      .setQatModule(dict.qat_module ?? null)
      .setReferenceQuantizedModule(dict.reference_quantized_module_for_root ?? null)
      .setFusedModule(dict.fused_module ?? null)
      .setFuserMethod(dict.fuser_method ?? null)
      ._setRootNodeGetter(dict.root_node_getter ?? null)
      ._setExtraInputsGetter(dict.extra_inputs_getter ?? null)
      ._setNumTensorArgsToObservationType(dict.num_tensor_args_to_observation_type ?? new Map())
      ._setInputTypeToIndex(dict.input_type_to_index ?? {});
    if (dict.pattern_complex_format !== undefined) config._setPatternComplexFormat(dict.pattern_complex_format);
    return config;
  }

  toDict(): BackendPatternConfigDict {
    return {
      ...(this.pattern !== null && { pattern: this.pattern }),
      observation_type: this.observationType,
      dtype_configs: this.dtypeConfigs.map((config) => config.toDict()),
      ...(this.rootModule && { root_module: this.rootModule }),
      ...(this.qatModule && { qat_module: this.qatModule }),
      ...(this.referenceQuantizedModule && { reference_quantized_module_for_root: this.referenceQuantizedModule }),
      ...(this.fusedModule && { fused_module: this.fusedModule }),
      ...(this.fuserMethod && { fuser_method: this.fuserMethod }),
      ...(this.rootNodeGetter && { root_node_getter: this.rootNodeGetter }),
      ...(this.extraInputsGetter && { extra_inputs_getter: this.extraInputsGetter }),
      ...(this.numTensorArgsToObservationType.size > 0 && {
        num_tensor_args_to_observation_type: this.numTensorArgsToObservationType,
      }),
      ...(Object.keys(this.inputTypeToIndex).length > 0 && { input_type_to_index: this.inputTypeToIndex }),
      ...(this.patternComplexFormat !== null && { pattern_complex_format: this.patternComplexFormat }),
    };
  }
}

function refuseTwoPatterns(): never {
  throw new OctetError("Only one of 'pattern' or 'pattern_complex_format' can be set");
}

function dtypeConfigOf(entry: unknown): DTypeConfig {
  if (entry instanceof DTypeConfig) return entry;
  if (typeof entry === "object" && entry !== null) return DTypeConfig.fromDict(entry);
  throw new OctetError(`Expected a list of DTypeConfigs in dict["dtype_configs"], got ${String(entry)}`);
}
