/** Standalone modules: opaque to the graph they stand in, prepared by settings of their own. */
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import { GraphModule } from "../../fx/graph-module.ts";
import type { QConfigAny } from "../qconfig.ts";
import { QConfigMapping } from "../qconfig-mapping.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { PrepareCustomConfig } from "./custom-config.ts";
import { moduleOf, replaceModule } from "./node-queries.ts";
import type { NestedSettings, PrepareContext } from "./prepare-context.ts";

/** Settings for a path win over those for a class; what they leave open follows the parent. */
export function standaloneConfig(node: FxNode, parentQconfig: QConfigAny, context: PrepareContext): NestedSettings {
  const { standaloneModuleNames, standaloneModuleClasses } = context.prepareCustomConfig;
  const path = String(node.target);
  const type = moduleOf(node, context.modules)?.constructor as unknown as ModuleClass;
  const entry = standaloneModuleNames.get(path) ?? standaloneModuleClasses.get(type);
  return {
    qconfigMapping: entry?.qconfigMapping ?? new QConfigMapping().setGlobal(parentQconfig),
    prepareCustomConfig: entry?.prepareCustomConfig ?? new PrepareCustomConfig(),
    backendConfig: entry?.backendConfig ?? context.backendConfig,
  };
}

/** Puts a prepared graph in place of every standalone module. */
export function prepareStandaloneModules(context: PrepareContext): void {
  const done = new Set<string>();
  for (const [node, match] of context.matches) {
    const path = String(node.target);
    const module = moduleOf(node, context.modules);
    if (match.kind !== "standalone module" || !module || done.has(path)) continue;
    done.add(path);
    if (module instanceof GraphModule) continue;
    const settings = standaloneConfig(node, context.qconfigs.get(node.name) ?? null, context);
    const prepared = context.prepareNested(module, settings);
    const [output] = [...prepared.graph.nodes].filter(({ op }) => op === "output");
    if (!isNode(output?.args[0])) {
      throw new OctetError(
        `${path}: standalone module only supports returning simple value currently(not tuple, dict etc.)`,
      );
    }
    prepared.qconfig = module.qconfig;
    replaceModule(context.modules, path, prepared);
  }
}
