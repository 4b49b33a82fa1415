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
    const html = katex.renderToString(tex, { ...settings, displayMode, macros: { ...options.macros, ...Object.fromEntries(macros ?? []) } });
    return html.replace(/<math.*?<\/math>/s, rows);
  } catch (error) {
    if (error instanceof RangeError) return { message: "nested too deeply, or too long, for KaTeX", position: null };
    return { message: error.rawMessage ?? error.message, position: error.position ?? null };
  }
}

// KaTeX puts elements into <mi> and <mo>, as for \underset and \mathop, where MathML has text alone: those are rows.
function rows(math) {
  const pieces = math.split(/(<[^>]*>)/), open = [];
  pieces.forEach((piece, place) => {
    if (piece.startsWith("</")) {
      const { tag, start, holdsElements } = open.pop();
      if (holdsElements && /^m[ino]$|^mtext$/.test(tag)) [pieces[start], pieces[place]] = ["<mrow>", "</mrow>"];
    } else if (piece.startsWith("<")) {
      if (open.length) open.at(-1).holdsElements = true;
      if (!piece.endsWith("/>")) open.push({ tag: piece.match(/[^<>\s]+/)[0], start: place, holdsElements: false });
    }
  });
  return pieces.join("");
}

function write(text) {
  for (let rest = Buffer.from(text); rest.length;) rest = rest.subarray(writeSync(1, rest));
}

// Each is written at once, so that one that never ends can be identified.
tasks.forEach((task, number) => write(`\n${options.word} ${JSON.stringify([number, typeset(task)])}\n`));
