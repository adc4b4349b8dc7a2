/** Tables derived from a BackendConfig (`torch.ao.quantization.backend_config.utils`). Patterns are in the nested form. */
import type { ModuleClass, QuantizedClass, ReferenceClass } from "../recipes/recipe.ts";
import type { BackendConfig } from "./backend-config.ts";
import type {
  BackendPatternConfig,
  BackendPatternConfigDict,
  ExtraInputsGetter,
  InputTypeToIndex,
  NestedFuserMethod,
  RootNodeGetter,
} from "./backend-pattern-config.ts";
import { DTypeConfig } from "./dtype-config.ts";
import type { Pattern } from "./pattern.ts";
import { PatternMap, patternToHumanReadable } from "./pattern.ts";

/** The patterns for which `value` is set. */
function byPattern<V>({ configs }: BackendConfig, value: (config: BackendPatternConfig) => V | null): PatternMap<V> {
  const map = new PatternMap<V>();
  for (const config of configs) {
    const found = value(config);
    if (found !== null) map.set(config.complexPattern, found);
  }
  return map;
}

export function getPatternToDtypeConfigs(backend: BackendConfig): PatternMap<readonly DTypeConfig[]> {
  return byPattern(backend, ({ dtypeConfigs }) => dtypeConfigs);
}

export function getQatModuleClasses(backend: BackendConfig): readonly ModuleClass[] {
  return distinct(backend.configs.map(({ qatModule }) => qatModule));
}

export function getFusedModuleClasses(backend: BackendConfig): readonly ModuleClass[] {
  return distinct(backend.configs.map(({ fusedModule }) => fusedModule));
}

function distinct(classes: readonly (ModuleClass | null)[]): readonly ModuleClass[] {
  return [...new Set(classes.filter((type) => type !== null))];
}

export function getPatternToInputTypeToIndex(backend: BackendConfig): PatternMap<InputTypeToIndex> {
  return byPattern(backend, ({ inputTypeToIndex }) => inputTypeToIndex);
}

export function getRootModuleToQuantizedReferenceModule(
  backend: BackendConfig,
): Map<ModuleClass, ReferenceClass | QuantizedClass> {
  const mapping = new Map<ModuleClass, ReferenceClass | QuantizedClass>();
  for (const { rootModule, referenceQuantizedModule } of backend.configs) {
    if (rootModule && referenceQuantizedModule) mapping.set(rootModule, referenceQuantizedModule);
  }
  return mapping;
}

/** Fusers take their parts nested like the pattern. */
export function getFuserMethodMapping(backend: BackendConfig): PatternMap<NestedFuserMethod> {
  return byPattern(backend, ({ complexFuserMethod }) => complexFuserMethod);
}

export function getModuleToQatModule(backend: BackendConfig): PatternMap<QuantizedClass> {
  return byPattern(backend, ({ qatModule }) => qatModule);
}

export function getFusionPatternToRootNodeGetter(backend: BackendConfig): PatternMap<RootNodeGetter> {
  return byPattern(backend, ({ rootNodeGetter }) => rootNodeGetter);
}

export function getFusionPatternToExtraInputsGetter(backend: BackendConfig): PatternMap<ExtraInputsGetter> {
  return byPattern(backend, ({ extraInputsGetter }) => extraInputsGetter);
}

/** An entry of `BackendConfig.toDict()` as text: the pattern, its dtypes, and what else is set. */
export function entryToPrettyStr(entry: BackendPatternConfigDict): string {
  const { pattern, dtype_configs, num_tensor_args_to_observation_type, ...others } = entry;
  const lines: string[] = [];
  if (pattern !== undefined) lines.push(`  'pattern': ${patternToHumanReadable(pattern)},`);
  if (dtype_configs) {
    const configs = dtype_configs.map((config) => (config instanceof DTypeConfig ? config.toDict() : config));
    const texts = configs.flatMap((config) => ["    {", ...fieldLines(config, "      "), "    },"]);
    lines.push("  'dtype_configs': [", ...texts, "  ],");
  }
  if (num_tensor_args_to_observation_type) {
    const types = [...num_tensor_args_to_observation_type].map(
      ([count, type]) => `    ${count}: ObservationType.${type},`,
    );
    lines.push("  'num_tensor_args_to_observation_type': {", ...types, "  },");
  }
  return ["{", ...lines, ...fieldLines(others, "  "), "}"].join("\n");
}

function fieldLines(fields: object, indent: string): string[] {
  return Object.entries(fields).map(([key, value]) => `${indent}'${key}': ${fieldText(key, value)},`);
}

function fieldText(key: string, value: unknown): string {
  if (key === "observation_type") return `ObservationType.${String(value)}`;
  if (key === "pattern_complex_format") return patternToHumanReadable(value as Pattern);
  if (key === "input_type_to_index") {
    const positions = Object.entries(value as object).map(([type, index]) => `'${type}': ${String(index)}`);
    return `{${positions.join(", ")}}`;
  }
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "function" ? value.name : String(value);
}
