/** Builds dist/octet.browser.js, the whole package in one file for `<script type="module">` (`npm run build:browser`). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);

/** Writes the bundle to `outfile`. An import of a Node module anywhere in src/ makes it fail. */
export async function bundle(outfile: string): Promise<void> {
  const { version, license } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as Record<
    string,
    string
  >;
  await build({
    entryPoints: [fileURLToPath(new URL("src/index.ts", root))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    keepNames: true, // modules and errors print the names of their classes
    banner: { js: `/*! octet ${version} | ${license} */` },
    logLevel: "warning",
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle(fileURLToPath(new URL("dist/octet.browser.js", root)));
}
