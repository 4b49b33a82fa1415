// TeX to HTML and MathML. In: a line of options, then a line [tex, display, macros] for each equation. Out: a line for each that
// opens with the word of the options: its number and the HTML as a JSON string, or {message, position}. The argument is KaTeX's
// dist/katex.mjs.
import { readFileSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { default: katex } = await import(pathToFileURL(process.argv[2]));
const [options, ...tasks] = readFileSync(0, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

// KaTeX would print commands that need trust (\href, \includegraphics, \htmlClass, ...) as their names, in red.
function trust({ command }) {
  throw new katex.ParseError(`${command} is not for formulas; links and pictures go into the text beside them`);
}

const settings = { throwOnError: true, strict: "error", trust, output: "htmlAndMathml", maxSize: 200, maxExpand: 1000 };

function typeset([tex, displayMode, macros]) {
  try {
    return katex.renderToString(tex, { ...settings, displayMode, macros: { ...options.macros, ...Object.fromEntries(macros ?? []) } });
  } catch (error) {
    if (error instanceof RangeError) return { message: "nested too deeply, or too long, for KaTeX", position: null };
    return { message: error.rawMessage ?? error.message, position: error.position ?? null };
  }
}

function write(text) {
  for (let rest = Buffer.from(text); rest.length;) rest = rest.subarray(writeSync(1, rest));
}

// Each is written at once, so that one that never ends can be identified.
tasks.forEach((task, number) => write(`\n${options.word} ${JSON.stringify([number, typeset(task)])}\n`));
