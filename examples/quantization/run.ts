/** What the examples have in common: run by themselves, they print what their main function returns. */
import { fileURLToPath } from "node:url";

/** Runs `main` if the module of this url is the program that was started, and prints the parts of its result. */
export function runDirectly(url: string, main: () => Readonly<Record<string, unknown>>): void {
  if (process.argv[1] !== fileURLToPath(url)) return;
  print(main(), "");
}

function print(parts: Readonly<Record<string, unknown>>, path: string): void {
  for (const [name, value] of Object.entries(parts)) {
    const isRecord = typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
    if (isRecord) print(value as Record<string, unknown>, `${path}${name}.`);
    else console.log(`${path}${name}:\n${printed(value)}\n`);
  }
}

function printed(value: unknown): string {
  return Array.isArray(value) ? JSON.stringify(value, null, 1) : String(value);
}
