/** The command line as a whole: help, version, mistakes, and what happens to errors. */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Capture, octet, octetOutput, octetRefusal, temporaryFolder } from "./octet.ts";
import type { OutputStream } from "../../src/cli/io.ts";
import { VERSION } from "../../src/core/version.ts";
import { reportError } from "../../src/cli/errors.ts";
import { ResultError } from "../../src/cli/io.ts";

const file = temporaryFolder();

describe("octet", () => {
  it("shows help", async () => {
    const help = await octetOutput("--help");
    expect(help).toMatch(/^Usage: octet \[options\] \[command\]\n/);
    for (const word of ["inspect", "run", "Examples:", "Exit codes:"]) expect(help).toContain(word);
    expect(help).not.toContain("\u001b");
    expect(await octetOutput("help", "run")).toContain("--data <path>");
  });

  it("shows help on stderr if there is no command", async () => {
    const { code, stdout, stderr } = await octet([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^Usage: octet/);
  });

  it("has bold titles on a terminal, unless NO_COLOR is set", async () => {
    const stdout = new Capture(true);
    await octet(["--help"], { stdout: stdout as OutputStream });
    expect(stdout.text).toContain("\u001b[1mUsage:\u001b[22m");
    const plain = new Capture(true);
    await octet(["--help"], { stdout: plain as OutputStream, env: { NO_COLOR: "1" } });
    expect(plain.text).not.toContain("\u001b");
  });

  it("tells its version, the kernels, and where it runs", async () => {
    const lines = (await octetOutput("--version")).split("\n");
    expect(lines[0]).toBe(`octet ${VERSION}`);
    expect(lines[1]).toMatch(/^kernels: (wasm|reference)/);
    expect(lines[2]).toBe(`node ${process.version}, ${process.platform} ${process.arch}`);
  });

  it.each([
    [["inspekt", "x"], "unknown command 'inspekt' (Did you mean inspect?)"],
    [["inspect"], "missing required argument 'file'"],
    [["inspect", "a", "--jsn"], "unknown option '--jsn' (Did you mean --json?)"],
    [["run", "model"], "required option '--data <path>' not specified"],
    [
      ["run", "m", "--data", "d", "--limit", "0"],
      "option '--limit <count>' argument '0' is invalid. Expected a whole number of at least 1.",
    ],
    [
      ["run", "m", "--data", "d", "--limit", "2.5"],
      "option '--limit <count>' argument '2.5' is invalid. Expected a whole number of at least 1.",
    ],
    [
      ["run", "m", "--data", "d", "--size", "8"],
      "option '--size <WxH>' argument '8' is invalid. Expected width and height, such as 224x224.",
    ],
    [
      ["run", "m", "--data", "d", "--mean", "1,,2"],
      "option '--mean <numbers>' argument '1,,2' is invalid. Expected numbers with commas between them.",
    ],
    [
      ["run", "m", "--data", "d", "--layout", "hwc"],
      "option '--layout <order>' argument 'hwc' is invalid. Allowed choices are nchw, nhwc.",
    ],
  ])("refuses %j", async (args, message) => {
    expect(await octetRefusal(...args)).toBe(message);
  });
});

describe("reportError", () => {
  const report = (error: unknown, env: Record<string, string> = {}, signal = new AbortController().signal) => {
    const stderr = new Capture() as Capture & OutputStream;
    return { code: reportError(error, { stdout: stderr, stderr, env, signal }), text: stderr.text };
  };

  it("gives a result below what was asked for the code 1", () => {
    expect(report(new ResultError("agreement 90 %"))).toEqual({ code: 1, text: "octet: agreement 90 %\n" });
  });

  it("keeps bugs to one line, and says how to see the stack", () => {
    const bug = new TypeError("x is\nundefined");
    expect(report(bug)).toEqual({
      code: 3,
      text: "octet: this is a bug in octet: TypeError: x is undefined; OCTET_DEBUG=1 shows where\n",
    });
    expect(report(bug, { OCTET_DEBUG: "1" }).text).toContain("main.test.ts");
  });

  it("says that nothing was written when it was interrupted", () => {
    const interruption = new AbortController();
    interruption.abort();
    expect(report(new Error("x"), {}, interruption.signal)).toEqual({
      code: 130,
      text: "octet: interrupted; nothing was written\n",
    });
  });

  it("passes on what the operating system refuses", async () => {
    writeFileSync(file("a.npz"), "");
    expect(await octetRefusal("inspect", file("a.npz"))).toBe(`${file("a.npz")} is empty`);
    const denied = Object.assign(new Error("EACCES: permission denied, scandir 'photos'"), {
      syscall: "scandir",
      errno: -13,
    });
    expect(report(denied)).toEqual({ code: 2, text: "octet: EACCES: permission denied, scandir 'photos'\n" });
  });
});
