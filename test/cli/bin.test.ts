/** The command as a process: exit codes, Ctrl-C, and a closed pipe. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import { io } from "octet";
import { VERSION } from "../../src/core/version.ts";
import { floatNet } from "./models.ts";
import { temporaryFolder } from "./octet.ts";

const file = temporaryFolder();
const command = ["--import", "tsx", "src/cli/bin.ts"];

beforeAll(() => io.saveArchive(file("net.octet"), floatNet()));

it("runs, and exits with the code", () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [...command, ...args], { encoding: "utf8" });
  expect(run("--version")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`octet ${VERSION}\n`),
    stderr: "",
  });
  expect(run("inspect", "gone")).toMatchObject({
    status: 2,
    stdout: "",
    stderr: 'octet: cannot read "gone": no such file or folder\n',
  });
});

it("stops at Ctrl-C and writes nothing", async () => {
  const text =
    "export default function* () { for (;;) yield [new Array(3).fill(new Array(64).fill(new Array(64).fill(1)))]; }";
  writeFileSync(file("endless.mjs"), text);
  const args = ["run", file("net.octet"), "--data", file("endless.mjs"), "--out", file("never.npz")];
  const child = spawn(process.execPath, [...command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    if (stderr.includes("running: ")) child.kill("SIGINT");
  });
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(130);
  expect(stderr).toMatch(/^running: \d+ samples, \d+ s\noctet: interrupted; nothing was written\n$/);
  expect(existsSync(file("never.npz"))).toBe(false);
});

it("takes a closed pipe for an answer", () => {
  const shell = spawnSync("sh", ["-c", `'${process.execPath}' ${command.join(" ")} --help | true`], {
    encoding: "utf8",
  });
  expect(shell).toMatchObject({ status: 0, stderr: "" });
});
