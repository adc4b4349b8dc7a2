/** `octet compare`: what two models make of the same data, output by output and layer by layer. */
import type { Command } from "commander";
import { OctetError } from "../../core/errors.ts";
import type { DataItem } from "../../data/source.ts";
import type { Report, Sample } from "../../report/index.ts";
import { formatSummary, measure, wantsColor, writeReport } from "../../report/index.ts";
import { openData } from "../data/open.ts";
import type { CommandIo } from "../io.ts";
import { loadModel } from "../models.ts";
import type { DataFlags } from "../options.ts";
import { addDataOptions } from "../options.ts";
import { withProgress } from "../progress.ts";

interface Flags extends DataFlags {
  readonly json?: boolean;
}

export function addCompareCommand(program: Command, io: CommandIo): void {
  const command = program
    .command("compare")
    .description("run two models on the same data and say how they agree")
    .argument("<a>", "the model to compare with: ONNX or an Octet archive")
    .argument("<b>", "the model to judge");
  addDataOptions(command)
    .option("--json", "print the whole report as JSON")
    .action((a: string, b: string, flags: Flags) => compareModels(a, b, flags, io));
}

async function compareModels(a: string, b: string, flags: Flags, io: CommandIo): Promise<void> {
  const [first, second] = [loadModel(a), loadModel(b)];
  const names = first.inputs.map(({ name }) => name);
  const others = second.inputs.map(({ name }) => name);
  if (names.length !== others.length) {
    throw new OctetError(`${a} takes ${names.length} inputs (${names.join(", ")}), ${b} takes ${others.length}`);
  }
  const { source: all } = await openData(flags.data, first.inputs, flags);
  const source = flags.limit === undefined ? all : all.take(flags.limit);
  const inputsOf = ({ inputs }: DataItem): Sample => ({ inputs: names.map((name) => inputs.get(name)!) });
  const progress = { what: "comparing", unit: "samples", total: source.length };
  const report: Report = await withProgress(io, progress, async ({ report: tell }) =>
    measure({
      float: first.module,
      quantized: second.module,
      samples: told(source, inputsOf, tell),
      name: `${a}, ${b}`,
    }),
  );
  io.stdout.write(flags.json ? writeReport(report) : `${formatSummary(report, { color: wantsColor(io.stdout) })}\n`);
}

async function* told(
  source: AsyncIterable<DataItem>,
  sampleOf: (item: DataItem) => Sample,
  tell: (done: number) => Promise<void>,
): AsyncGenerator<Sample> {
  let done = 0;
  for await (const item of source) {
    yield sampleOf(item);
    await tell(++done);
  }
}
