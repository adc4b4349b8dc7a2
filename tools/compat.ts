/** Writes COMPATIBILITY.md from what the package exports (`npm run compat`). */
import { writeFileSync } from "node:fs";
import { compatibilityDocument } from "./compat/document.ts";

writeFileSync(new URL("../COMPATIBILITY.md", import.meta.url), compatibilityDocument());
