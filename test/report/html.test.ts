/** The page is one file that loads nothing, and names cannot become markup. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { reportHtml } from "../../src/report/index.ts";
import { PAGE_SCRIPT, PAGE_SCRIPT_SHA256 } from "../../src/report/page-script.ts";
import { layer, reportWith } from "./networks.ts";

const evil = `</script><script>alert(1)</script><img src=x onerror='alert(2)'> " & <!--`;

/** A report in which every text is hostile. */
const hostile = reportWith({
  model: evil,
  octet: evil,
  layers: [{ ...layer(evil, 12, null), operator: evil, module: evil, detail: evil }],
  leftovers: [{ node: evil, operator: evil, module: evil, kind: "float", reason: evil }],
  observations: [{ ...reportWith().observations[0], node: evil, observer: evil, dtype: evil }],
  outputs: [{ ...reportWith().outputs[0], name: evil, nonFinite: { float: 0, quantized: 1 } }],
  runtimes: [{ ...reportWith().runtimes[0], name: evil }],
  size: {
    ...reportWith().size,
    ledger: [{ ...reportWith().size.ledger[0], name: evil, floatDtype: evil, quantizedDtype: evil }],
  },
  recipe: { mode: evil, backend: evil, calibrationSamples: 1, qconfigMapping: evil, command: evil },
  advice: [1, 2].map(() => ({ kind: "skip" as const, node: evil, text: evil })),
});

describe("the page", () => {
  it("escapes every text", () => {
    const html = reportHtml(hostile);
    expect(html.match(/<script/g)).toHaveLength(2); // the data and the script of the page
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(html).not.toContain("<img");
    expect(html).not.toContain("<!--");
    expect(html).toContain("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  it("holds the report as JSON", () => {
    const [, json] = /<script type="application\/json" id="report">(.*)<\/script>/.exec(
      reportHtml(hostile),
    ) as RegExpExecArray;
    expect(JSON.parse(json)).toEqual(hostile);
  });

  it("loads nothing, and allows its own script only", () => {
    const html = reportHtml(reportWith());
    expect(html).toContain(`default-src 'none'`);
    expect(html).toContain(`script-src 'sha256-${PAGE_SCRIPT_SHA256}'`);
    // The namespace of SVG is the only address.
    expect(html.match(/https?:[^"' ]*/g)).toEqual(["http://www.w3.org/2000/svg"]);
    expect(html).not.toMatch(/ (src|on\w+)=/);
  });

  it("has the hash of the script that is in it", () => {
    expect(PAGE_SCRIPT_SHA256).toBe(createHash("sha256").update(PAGE_SCRIPT).digest("base64"));
  });

  it("has a section for everything, also where there is nothing", () => {
    const empty = reportWith({ layers: [], leftovers: [], observations: [], runtimes: [], advice: [], outputs: [] });
    for (const html of [reportHtml(reportWith()), reportHtml(empty)]) {
      const ids = [...html.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id);
      expect(ids).toEqual(["summary", "agreement", "latency", "layers", "leftovers", "bytes", "recipe"]);
    }
  });
});
