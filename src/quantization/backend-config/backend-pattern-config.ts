/** What a backend can do with one pattern (`torch.ao.quantization.backend_config.BackendPatternConfig`). */
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { ModuleClass, QuantizedClass, ReferenceClass } from "../recipes/recipe.ts";
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

/** A {@link BackendPatternConfig} as plain data. */
export interface BackendPatternConfigDict {
  readonly pattern?: Pattern;
  readonly patternComplexFormat?: Pattern;
  readonly observationType?: ObservationType;
  readonly dtypeConfigs?: readonly (DTypeConfig | DTypeConfigDict)[];
  readonly rootModule?: ModuleClass | null;
  readonly qatModule?: QuantizedClass | null;
  readonly referenceQuantizedModuleForRoot?: ReferenceClass | QuantizedClass | null;
  readonly fusedModule?: ModuleClass | null;
  readonly fuserMethod?: FuserMethod | null;
  readonly rootNodeGetter?: RootNodeGetter | null;
  readonly extraInputsGetter?: ExtraInputsGetter | null;
  readonly numTensorArgsToObservationType?: ReadonlyMap<number, ObservationType>;
  readonly inputTypeToIndex?: InputTypeToIndex;
}

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
    throw new OctetError("Either 'pattern' or 'patternComplexFormat' must be specified");
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
    const config = new BackendPatternConfig();
    if (dict.pattern !== undefined) config.setPattern(dict.pattern);
    if (dict.observationType !== undefined) config.setObservationType(dict.observationType);
    config
      .setDtypeConfigs((dict.dtypeConfigs ?? []).map(dtypeConfigOf))
      .setRootModule(dict.rootModule ?? null)
      .setQatModule(dict.qatModule ?? null)
      .setReferenceQuantizedModule(dict.referenceQuantizedModuleForRoot ?? null)
      .setFusedModule(dict.fusedModule ?? null)
      .setFuserMethod(dict.fuserMethod ?? null)
      ._setRootNodeGetter(dict.rootNodeGetter ?? null)
      ._setExtraInputsGetter(dict.extraInputsGetter ?? null)
      ._setNumTensorArgsToObservationType(dict.numTensorArgsToObservationType ?? new Map())
      ._setInputTypeToIndex(dict.inputTypeToIndex ?? {});
    if (dict.patternComplexFormat !== undefined) config._setPatternComplexFormat(dict.patternComplexFormat);
    return config;
  }

  /** Without what is not set. */
  toDict(): BackendPatternConfigDict {
    return {
      ...(this.pattern !== null && { pattern: this.pattern }),
      observationType: this.observationType,
      dtypeConfigs: this.dtypeConfigs.map((config) => config.toDict()),
      ...(this.rootModule && { rootModule: this.rootModule }),
      ...(this.qatModule && { qatModule: this.qatModule }),
      ...(this.referenceQuantizedModule && { referenceQuantizedModuleForRoot: this.referenceQuantizedModule }),
      ...(this.fusedModule && { fusedModule: this.fusedModule }),
      ...(this.fuserMethod && { fuserMethod: this.fuserMethod }),
      ...(this.rootNodeGetter && { rootNodeGetter: this.rootNodeGetter }),
      ...(this.extraInputsGetter && { extraInputsGetter: this.extraInputsGetter }),
      ...(this.numTensorArgsToObservationType.size > 0 && {
        numTensorArgsToObservationType: this.numTensorArgsToObservationType,
      }),
      ...(Object.keys(this.inputTypeToIndex).length > 0 && { inputTypeToIndex: this.inputTypeToIndex }),
      ...(this.patternComplexFormat !== null && { patternComplexFormat: this.patternComplexFormat }),
    };
  }
}

function refuseTwoPatterns(): never {
  throw new OctetError("Only one of 'pattern' or 'patternComplexFormat' can be set");
}

function dtypeConfigOf(entry: unknown): DTypeConfig {
  if (entry instanceof DTypeConfig) return entry;
  if (typeof entry === "object" && entry !== null) return DTypeConfig.fromDict(entry);
  throw new OctetError(`Expected a list of DTypeConfigs in dict["dtypeConfigs"], got ${String(entry)}`);
}
