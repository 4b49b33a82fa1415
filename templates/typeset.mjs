// TeX to HTML and MathML. In: a line of options, then a line [tex, display, macros] for each equation. Out: a line for each, the
// HTML as a JSON string or {message, position}.
import { readFileSync, writeFileSync } from "node:fs";
import katex from "katex";

const [options, ...tasks] = readFileSync(0, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

// What asks for trust (\href, \includegraphics, \htmlClass, ...) would be printed as its own name, in red.
function trust({ command }) {
  throw new katex.ParseError(`${command} is not for formulas; links and pictures go into the text beside them`);
}

const settings = { throwOnError: true, strict: "error", trust, output: "htmlAndMathml" };

function typeset([tex, displayMode, macros]) {
  try {
    return katex.renderToString(tex, { ...settings, displayMode, macros: { ...options.macros, ...Object.fromEntries(macros) } });
  } catch (error) {
    if (!(error instanceof katex.ParseError)) throw error;
    return { message: error.rawMessage ?? error.message, position: error.position ?? null };
  }
}

for (let at = 0; at < tasks.length; at += 50) {
  writeFileSync(1, tasks.slice(at, at + 50).map((task) => JSON.stringify(typeset(task)) + "\n").join(""));
}
