/**
 * `npm run bench [-- words…] [-- --json]`: times Octet against its peers. Words choose the cases whose group or name
 * contain one of them. A new case is a function in cases/ that gives {@link BenchCase}s, listed below.
 */
import { calibrationCases } from "./cases/calibration.ts";
import { convCases } from "./cases/conv.ts";
import { gemmCases } from "./cases/gemm.ts";
import { graphModeCases } from "./cases/graph-mode.ts";
import { int8Cases } from "./cases/int8.ts";
import { trainingCases } from "./cases/training.ts";
import { formatResult, runCase } from "./harness.ts";
import type { BenchCase, CaseResult } from "./harness.ts";
import { loadPeers } from "./peers.ts";
import type { Peer } from "./peers.ts";

const SOURCES: readonly ((peers: readonly Peer[]) => Promise<BenchCase[]>)[] = [
  gemmCases,
  convCases,
  int8Cases,
  calibrationCases,
  graphModeCases,
  trainingCases,
];

const words = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const asJson = process.argv.includes("--json");

const peers = await loadPeers();
const results: CaseResult[] = [];
for (const source of SOURCES) {
  for (const benchCase of await source(peers)) {
    const label = `${benchCase.group} ${benchCase.name}`;
    if (words.length > 0 && !words.some((word) => label.includes(word))) continue;
    const result = await runCase(benchCase);
    results.push(result);
    if (!asJson) console.log(`${formatResult(result)}\n`);
  }
}
if (asJson) console.log(JSON.stringify({ node: process.version, results }, null, 2));
