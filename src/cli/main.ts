/**
 * The command line: `octet inspect`, `octet run`, … Each command is a file in commands/ that adds itself to the program; what
 * goes wrong in it comes back here and becomes one line and an exit code. Runs in Node only, and is no part of the library.
 */
import { styleText } from "node:util";
import { Command } from "commander";
import { VERSION } from "../core/version.ts";
import { availableKernels, kernels } from "../kernels/registry.ts";
import { addCalibrateCommand } from "./commands/calibrate.ts";
import { addCompareCommand } from "./commands/compare.ts";
import { addInspectCommand } from "./commands/inspect.ts";
import { addQuantizeCommand } from "./commands/quantize.ts";
import { addRunCommand } from "./commands/run.ts";
import { reportError } from "./errors.ts";
import type { CommandIo } from "./io.ts";
import { exitCodes } from "./io.ts";

const EXAMPLES = `
Examples:
  octet quantize model.onnx --data samples.npz --out out
  octet inspect model.onnx
  octet run model.onnx --data samples.npz --out outputs.npz
  octet run model.octet --data photos/ --size 224x224 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225

Exit codes: 0 good, 1 a result below what was asked for, 2 bad input. OCTET_DEBUG=1 shows stacks.`;

/** Runs the command line `argv` (without node and script) and gives the exit code. Never throws. */
export async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  try {
    await createProgram(io).parseAsync([...argv], { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    return reportError(error, io);
  }
}

function createProgram(io: CommandIo): Command {
  const program = new Command("octet")
    .description("Quantize neural networks as PyTorch does, and see what it did to the answers.")
    .version(versionText(), "-V, --version", "show the version, and which kernels compute")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .addHelpText("after", EXAMPLES)
    .configureHelp({ styleTitle: bold })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: () => {}, // reportError does that
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      getOutHasColors: () => io.stdout.isTTY === true && !io.env.NO_COLOR,
      getErrHasColors: () => io.stderr.isTTY === true && !io.env.NO_COLOR,
    })
    .exitOverride();
  addQuantizeCommand(program, io);
  addCalibrateCommand(program, io);
  addCompareCommand(program, io);
  addInspectCommand(program, io);
  addRunCommand(program, io);
  return program;
}

/** Whether colours are wanted is decided where help is written. */
function bold(text: string): string {
  return styleText("bold", text, { validateStream: false });
}

function versionText(): string {
  const others = availableKernels().filter((name) => name !== kernels().name);
  const rest = others.length ? ` (also available: ${others.join(", ")})` : "";
  return `octet ${VERSION}\nkernels: ${kernels().name}${rest}\nnode ${process.version}, ${process.platform} ${process.arch}`;
}
