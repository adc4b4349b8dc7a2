/** What a backend can quantize, pattern by pattern (`torch.ao.quantization.backend_config.BackendConfig`). */
import { OctetError } from "../../core/errors.ts";
import type { BackendPatternConfigDict } from "./backend-pattern-config.ts";
import { BackendPatternConfig } from "./backend-pattern-config.ts";
import { checkKeys } from "./dict-keys.ts";
import { patternKey } from "./pattern.ts";

/** A {@link BackendConfig} as plain data. */
export interface BackendConfigDict {
  readonly name?: string;
  readonly configs?: readonly (BackendPatternConfig | BackendPatternConfigDict)[];
}

export class BackendConfig {
  name: string;
  /** By the key of the nested pattern. */
  private readonly byPattern = new Map<string, BackendPatternConfig>();

  constructor(name = "") {
    this.name = name;
  }

  setName(name: string): this {
    this.name = name;
    return this;
  }

  /** Replaces an earlier config of the same pattern, and takes its place in the order. */
  setBackendPatternConfig(config: BackendPatternConfig): this {
    this.byPattern.set(patternKey(config.complexPattern), config);
    return this;
  }

  setBackendPatternConfigs(configs: readonly BackendPatternConfig[]): this {
    for (const config of configs) this.setBackendPatternConfig(config);
    return this;
  }

  /** In the order in which their patterns were first set. */
  get configs(): readonly BackendPatternConfig[] {
    return [...this.byPattern.values()];
  }

  /** The config of the nested pattern with this {@link patternKey}. */
  patternConfig(key: string): BackendPatternConfig | undefined {
    return this.byPattern.get(key);
  }

  static fromDict(dict: BackendConfigDict): BackendConfig {
    checkKeys("BackendConfig", dict, ["name", "configs"]);
    const backend = new BackendConfig(dict.name ?? "");
    for (const entry of (dict.configs ?? []) as readonly unknown[])
      backend.setBackendPatternConfig(patternConfigOf(entry));
    return backend;
  }

  toDict(): BackendConfigDict {
    return { name: this.name, configs: this.configs.map((config) => config.toDict()) };
  }
}

function patternConfigOf(entry: unknown): BackendPatternConfig {
  if (entry instanceof BackendPatternConfig) return entry;
  if (typeof entry === "object" && entry !== null) return BackendPatternConfig.fromDict(entry);
  throw new OctetError(`Expected the entries of dict["configs"] to be objects, got ${String(entry)}`);
}
