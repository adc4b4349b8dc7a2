/** A second QConfigMapping, at conversion, may keep parts in float that were prepared, and change nothing else. */
import { OctetError } from "../../core/errors.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import type { QConfigAny } from "../qconfig.ts";
import { qconfigEquals } from "../qconfig.ts";
import { QConfigMapping } from "../qconfig-mapping.ts";
import type { ConvertOptions } from "./convert-context.ts";
import { qconfigsOfNodes, updateQconfigForFusion, updateQconfigForQat } from "./node-qconfigs.ts";
import type { NodeQconfigs } from "./node-qconfigs.ts";
import { namedModulesOf } from "./node-queries.ts";
import { observedGraph } from "./observed-graph.ts";

/** The qconfigs of the prepared graph, or those of the second mapping if there is one and it agrees. */
export function checkedQconfigs(model: GraphModule, options: ConvertOptions): NodeQconfigs {
  const prepared = observedGraph(model);
  if (!options.qconfigMapping) return prepared.qconfigs;
  const mapping = QConfigMapping.fromDict(options.qconfigMapping.toDict());
  const modules = namedModulesOf(model);
  if (prepared.isQat) updateQconfigForQat(mapping, options.backendConfig);
  updateQconfigForFusion(model, mapping, modules);
  compareMappings(prepared.qconfigMapping, mapping);
  const before = new Map([...modules.values()].map((module) => [module, module.qconfig]));
  const qconfigs = qconfigsOfNodes(model, modules, mapping, prepared.scopes);
  for (const [module, qconfig] of before) if (qconfig !== undefined) module.qconfig = qconfig;
  for (const [name, qconfig] of prepared.qconfigs) {
    const now = qconfigs.get(name) ?? null;
    if (now === null || qconfigEquals(qconfig, now)) continue;
    throw new OctetError(
      `Expected k ${name} to have the same value in prepare and convert QConfigMappings, but ${qconfig} was updated to ${now}`,
    );
  }
  return qconfigs;
}

function compareMappings(prepared: QConfigMapping, converted: QConfigMapping): void {
  if (!qconfigEquals(prepared.globalQconfig, converted.globalQconfig)) {
    throw new OctetError("Expected global qconfigs to be the same in the prepare and convert quantization configs");
  }
  const kinds: readonly [string, (mapping: QConfigMapping) => ReadonlyMap<unknown, QConfigAny>][] = [
    ["object_type", (mapping) => mapping.objectTypeQconfigs],
    ["module_name", (mapping) => mapping.moduleNameQconfigs],
    ["module_name_regex", (mapping) => mapping.moduleNameRegexQconfigs],
  ];
  for (const [kind, rules] of kinds) {
    for (const [key, qconfig] of rules(prepared)) {
      const now = rules(converted).get(key);
      const name = typeof key === "function" ? key.name : String(key);
      if (now === undefined) {
        throw new OctetError(`Missing key ${kind} ${name} in convert QConfigMapping when it was present in prepare`);
      }
      if (now !== null && !qconfigEquals(qconfig, now)) {
        throw new OctetError(
          `Expected convert QConfigMapping to have the same qconfig as prepare for key ${kind} ${name}; ` +
            `prepare: ${qconfig}; convert: ${now}`,
        );
      }
    }
  }
}
