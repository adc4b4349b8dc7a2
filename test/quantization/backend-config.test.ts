/** Every backend config of PyTorch 2.6, pattern by pattern, and the order in which patterns are tried. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { BackendConfig } from "../../src/quantization/backend-config/backend-config.ts";
import type { BackendPatternConfig } from "../../src/quantization/backend-config/backend-pattern-config.ts";
import * as backends from "../../src/quantization/backend-config/backends.ts";
import type { DTypeConfig, DTypeWithConstraints } from "../../src/quantization/backend-config/dtype-config.ts";
import type { Pattern } from "../../src/quantization/backend-config/pattern.ts";
import { patternKey, sortedPatterns } from "../../src/quantization/backend-config/pattern.ts";
import {
  getFusedModuleClasses,
  getFuserMethodMapping,
  getModuleToQatModule,
  getQatModuleClasses,
  getRootModuleToQuantizedReferenceModule,
} from "../../src/quantization/backend-config/queries.ts";
import { named, parsePattern } from "./backend-config-names.ts";

type DtypeEntry = string | Readonly<Record<string, string | number>>;

interface Entry {
  readonly pattern: string | null;
  readonly key_reversed_nested: string;
  readonly pattern_complex_format?: string;
  readonly observation_type: string;
  readonly dtype_config_set: number;
  readonly root_module?: string;
  readonly qat_module?: string;
  readonly reference_quantized_module?: string;
  readonly fused_module?: string;
  readonly fuser_method?: string;
  readonly root_node_getter?: string;
  readonly extra_inputs_getter?: string;
  readonly input_type_to_index?: Readonly<Record<string, number>>;
  readonly num_tensor_args_to_observation_type?: Readonly<Record<string, string>>;
}

interface Backend {
  readonly name: string;
  readonly n_patterns: number;
  readonly dtype_config_sets: readonly { readonly dtype_configs: readonly Readonly<Record<string, DtypeEntry>>[] }[];
  readonly configs: readonly Entry[];
}

const dump = JSON.parse(
  readFileSync(new URL("../golden/reference/backend_configs.json", import.meta.url), "utf8"),
) as Readonly<Record<string, unknown>>;

/** PyTorch's functions that Octet does not have: the only patterns that are left out. */
const absent = ["torch.permute_copy"];

const getters: readonly (readonly [string, () => BackendConfig])[] = [
  ["native", backends.getNativeBackendConfig],
  ["fbgemm", backends.getFbgemmBackendConfig],
  ["qnnpack", backends.getQnnpackBackendConfig],
  ["onednn", backends.getOnednnBackendConfig],
  ["x86", backends.getX86BackendConfig],
  ["tensorrt", backends.getTensorrtBackendConfig],
  ["executorch", backends.getExecutorchBackendConfig],
  ["native_with_fp16(get_test_only_legacy_native_backend_config)", backends.getTestOnlyLegacyNativeBackendConfig],
];

/** PyTorch's entries by the keys of Octet's patterns, with the names that fell together. */
function entriesByKey(backend: Backend) {
  const entries = new Map<string, Entry>();
  const collapsed: string[] = [];
  const missing: string[] = [];
  const leftOut = backend.configs.map((entry) => entry.key_reversed_nested).filter((text) => absent.includes(text));
  for (const entry of backend.configs) {
    if (absent.includes(entry.key_reversed_nested)) continue;
    const key = patternKey(parsePattern(entry.key_reversed_nested, missing));
    const first = entries.get(key);
    if (first) collapsed.push(`${entry.key_reversed_nested} = ${first.key_reversed_nested}`);
    else entries.set(key, entry);
  }
  return { entries, collapsed, missing, leftOut };
}

/** Octet's config in the words of the dump; classes and functions by identity. */
function described(config: BackendPatternConfig): unknown {
  return {
    pattern: config.pattern === null ? null : patternKey(config.pattern),
    nested: patternKey(config.complexPattern),
    complex: config.patternComplexFormat !== null,
    observation: config.observationType,
    dtypes: config.dtypeConfigs.map(describedDtypes),
    root: config.rootModule ?? undefined,
    qat: config.qatModule ?? undefined,
    reference: config.referenceQuantizedModule ?? undefined,
    fused: config.fusedModule ?? undefined,
    fuser: config.fuserMethod !== null,
    rootNode: config.rootNodeGetter !== null,
    extraInputs: config.extraInputsGetter !== null,
    inputs: config.inputTypeToIndex,
    byTensors: Object.fromEntries(config.numTensorArgsToObservationType),
  };
}

function expected(entry: Entry, backend: Backend): unknown {
  const missing: string[] = [];
  const described = {
    pattern: entry.pattern === null ? null : patternKey(parsePattern(entry.pattern, missing)),
    nested: patternKey(parsePattern(entry.key_reversed_nested, missing)),
    complex: entry.pattern_complex_format !== undefined,
    observation: entry.observation_type,
    dtypes: backend.dtype_config_sets[entry.dtype_config_set].dtype_configs,
    root: classNamed(entry.root_module, missing),
    qat: classNamed(entry.qat_module, missing),
    reference: classNamed(entry.reference_quantized_module, missing),
    fused: classNamed(entry.fused_module, missing),
    fuser: entry.fuser_method !== undefined,
    rootNode: entry.root_node_getter !== undefined,
    extraInputs: entry.extra_inputs_getter !== undefined,
    inputs: entry.input_type_to_index ?? {},
    byTensors: entry.num_tensor_args_to_observation_type ?? {},
  };
  expect(missing, `classes and functions of ${entry.key_reversed_nested}`).toEqual([]);
  return described;
}

function classNamed(text: string | undefined, missing: string[]): unknown {
  return text === undefined ? undefined : parsePattern(text, missing);
}

function describedDtypes(config: DTypeConfig): Readonly<Record<string, unknown>> {
  return {
    ...(config.inputDtype && { input: describedDtype(config.inputDtypeWithConstraints) }),
    ...(config.outputDtype && { output: describedDtype(config.outputDtypeWithConstraints) }),
    ...(config.weightDtype && { weight: describedDtype(config.weightDtypeWithConstraints) }),
    ...(config.biasDtype && { bias: String(config.biasDtype) }),
    ...(config.isDynamic !== null && { is_dynamic: config.isDynamic }),
  };
}

function describedDtype(constraints: DTypeWithConstraints): unknown {
  const fields = {
    dtype: String(constraints.dtype),
    quant_min_lower_bound: constraints.quantMinLowerBound,
    quant_max_upper_bound: constraints.quantMaxUpperBound,
    scale_min_lower_bound: constraints.scaleMinLowerBound,
    scale_max_upper_bound: constraints.scaleMaxUpperBound,
    scale_exact_match: constraints.scaleExactMatch,
    zero_point_exact_match: constraints.zeroPointExactMatch,
  };
  const set = Object.entries(fields).filter(([, value]) => value !== null);
  return set.length === 1 ? fields.dtype : Object.fromEntries(set);
}

describe("PyTorch's backend configs", () => {
  it.each(getters)("%s is the same, pattern by pattern", (name, getter) => {
    const backend = dump[name] as Backend;
    const made = getter();
    const { entries, collapsed, missing, leftOut } = entriesByKey(backend);
    console.log(
      `${name}: ${backend.n_patterns} patterns, ${entries.size} compared, ${collapsed.length} the same in Octet` +
        `${collapsed.map((pair) => `\n    ${pair}`).join("")}${leftOut.map((text) => `\n    absent: ${text}`).join("")}`,
    );
    expect(missing).toEqual([]);
    expect(made.name).toBe(backend.name);
    expect(entries.size + collapsed.length + leftOut.length).toBe(backend.n_patterns);
    const keys = new Map([...entries].map(([key, entry]) => [key, entry.key_reversed_nested]));
    const textOf = (config: BackendPatternConfig): string =>
      keys.get(patternKey(config.complexPattern)) ?? `unknown ${String(config.pattern)}`;
    expect(made.configs.map(textOf)).toEqual([...keys.values()]);
    const byKey = new Map(made.configs.map((config) => [patternKey(config.complexPattern), config]));
    for (const entry of backend.configs) {
      if (absent.includes(entry.key_reversed_nested)) continue;
      const config = byKey.get(patternKey(parsePattern(entry.key_reversed_nested, []))) as BackendPatternConfig;
      expect(described(config), entry.key_reversed_nested).toEqual(expected(entry, backend));
    }
  });
});

/** Texts of patterns as keys, without repetitions. */
function keysOf(texts: readonly string[]): string[] {
  const missing: string[] = [];
  const keys = texts.map((text) => patternKey(parsePattern(text, missing)));
  expect(missing).toEqual([]);
  return [...new Set(keys)];
}

describe("what is derived from the native backend config", () => {
  const native = backends.getNativeBackendConfig();

  it("tries patterns in PyTorch's order", () => {
    const order = dump["native_match_order"] as readonly string[];
    expect(order.length).toBe(194);
    expect(sortedPatterns(native).map(({ pattern }) => patternKey(pattern))).toEqual(keysOf(order));
  });

  it("fuses in PyTorch's order", () => {
    const order = dump["native_fusion_match_order"] as readonly string[];
    const fusions = sortedPatterns({ configs: native.configs.filter(({ fuserMethod }) => fuserMethod) });
    expect(fusions.map(({ pattern }) => patternKey(pattern))).toEqual(keysOf(order));
    expect([...getFuserMethodMapping(native).keys()].map(patternKey).sort()).toEqual(keysOf(order).sort());
  });

  it("derives PyTorch's tables", () => {
    const derived = dump["derived_native"] as {
      readonly root_module_to_quantized_reference_module: Readonly<Record<string, string>>;
      readonly module_to_qat_module: Readonly<Record<string, string>>;
      readonly qat_module_classes: readonly string[];
      readonly fused_module_classes: readonly string[];
    };
    const pairs = (table: Readonly<Record<string, string>>) => keysOfPairs(Object.entries(table));
    const keysOfPairs = (entries: readonly (readonly [string, string])[]) => entries.map((pair) => keysOf(pair));
    const identified = (map: ReadonlyMap<Pattern, Pattern>) => [...map].map((pair) => pair.map(patternKey));
    expect(identified(getRootModuleToQuantizedReferenceModule(native))).toEqual(
      pairs(derived.root_module_to_quantized_reference_module),
    );
    expect(identified(getModuleToQatModule(native))).toEqual(pairs(derived.module_to_qat_module));
    expect(new Set(getQatModuleClasses(native))).toEqual(new Set(derived.qat_module_classes.map(named)));
    expect(new Set(getFusedModuleClasses(native))).toEqual(new Set(derived.fused_module_classes.map(named)));
  });
});
