// Films that are played and scrubbed, tiles that open large, plots that are read off. Without scripts films have a switch,
// and plots are pictures.

const { decoder } = document.currentScript.dataset;

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// The page may have been painted before this script was loaded.
if (document.documentElement.classList.contains("seen")) queueMicrotask(start);
else document.addEventListener("seen", start);

// A page that is opened as a file can fetch only what stands in it.
const canFetch = (address) => location.protocol !== "file:" || address.startsWith("data:");

function start() {
  const idle = window.requestIdleCallback ?? setTimeout;
  const every = (selector, work) => document.querySelectorAll(selector).forEach((element) => idle(() => work(element)));
  every(".player", film);
  every(".grid", gallery);
  every("[data-slider]", slider);
  every("[data-sweep]", sweep);
  every("table.sortable", sortable);
  every("[data-readings]", readings);
  idle(plots);
}

// Films: all panels of a figure in step, under one button and one slider --

function film(player) {
  const panels = [...player.querySelectorAll(".panel")];
  if (!panels.every((panel) => canFetch(panel.dataset.film))) return;
  const labels = JSON.parse(player.dataset.labels ?? "[]");
  const last = Math.max(...panels.map((panel) => Number(panel.dataset.frames))) - 1;
  const button = make("button", { type: "button", className: "play" });
  const slider = make("input", { type: "range", min: 0, max: last, value: last, step: 1 });
  const shown = make("output", {});
  slider.setAttribute("aria-label", `Frame of ${player.getAttribute("aria-label")}`);
  const controls = make("div", { className: "controls" });
  controls.append(button, slider, shown);
  player.querySelector(".switch").replaceWith(controls);

  let screens, playing = false, at = last, due = 0, once = player.dataset.play === "once";
  const name = () => {
    button.textContent = playing ? "Pause" : "Play";
    shown.textContent = labels[at] ?? `${at + 1} / ${last + 1}`;
    slider.setAttribute("aria-valuetext", shown.textContent);
    slider.value = at;
  };
  const load = async () => {
    screens ??= Promise.all(panels.map(screen)).catch((error) => { screens = undefined; throw error; });
    return screens;
  };
  const go = async (frame) => {
    at = frame;
    for (const each of await load()) each.show(Math.min(at, each.frames.length - 1));
    name();
  };
  const tick = async (now) => {
    if (!playing) return;
    const ready = await load();
    if (now >= due) {
      if (at === last && once) return stop();
      await go(at === last ? 0 : at + 1);
      due = now + ready[0].frames[Math.min(at, ready[0].frames.length - 1)].delay_ms;
    }
    requestAnimationFrame(tick);
  };
  const stop = () => { playing = false; once = false; name(); };
  const play = async () => {
    button.disabled = true;
    try {
      await load();
    } catch {
      button.textContent = "Cannot be loaded";
      return;
    } finally {
      button.disabled = false;
    }
    if (at === last) at = -1;
    playing = true;
    due = 0;
    requestAnimationFrame(tick);
    button.textContent = "Pause";
  };
  button.addEventListener("click", () => (playing ? stop() : play()));
  slider.addEventListener("input", () => { playing = false; once = false; go(Number(slider.value)).catch(() => {}); });
  name();
  if (once && !matchMedia("(prefers-reduced-motion: reduce)").matches) setTimeout(play, 900);
}

async function screen(panel) {
  const still = panel.querySelector(".still");
  const film = await decoded(new URL(panel.dataset.film, document.baseURI).href);
  const canvas = make("canvas", { width: film.width, height: film.height, className: "screen" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", still.alt);
  canvas.style.width = `${still.width}px`;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(film.width, film.height);
  const target = new Uint32Array(pixels.data.buffer);
  const show = (index) => {
    const frame = film.frames[index].indices;
    for (let i = 0; i < frame.length; i++) target[i] = film.palette[frame[i]];
    context.putImageData(pixels, 0, 0);
  };
  show(film.frames.length - 1);
  still.replaceWith(canvas);
  panel.querySelector(".moving").remove();
  return { frames: film.frames, show };
}

// Films are decoded in a worker, one after the other, so that the page stays responsive.
let worker;
function decoded(film) {
  worker ??= new Worker(decoder);
  const { port1, port2 } = new MessageChannel();
  return new Promise((done, fail) => {
    port1.onmessage = ({ data }) => (data.frames ? done(data) : fail(new Error(data)));
    worker.addEventListener("error", () => { worker = undefined; fail(new Error("no decoder")); }, { once: true });
    worker.postMessage(film, [port2]);
  }).finally(() => port1.close());
}

// Tiles: one stop of the Tab key a grid, arrows within, Enter or a click opens --

function gallery(grid) {
  const rows = [...grid.querySelectorAll("tr")].map((row) => [...row.querySelectorAll("img")]).filter((row) => row.length);
  const tiles = rows.flat();
  if (!tiles.length) return;
  const place = (tile) => { const y = rows.findIndex((row) => row.includes(tile)); return [y, rows[y].indexOf(tile)]; };
  const beside = (tile, down, right) => {
    const [y, x] = place(tile);
    const row = rows[Math.max(0, Math.min(rows.length - 1, y + down))];
    return row[Math.max(0, Math.min(row.length - 1, x + right))];
  };
  for (const tile of tiles) {
    tile.tabIndex = tile === tiles[0] ? 0 : -1;
    tile.setAttribute("role", "button");
    tile.setAttribute("aria-haspopup", "dialog");
    tile.addEventListener("click", () => enlarge(grid, tile, beside));
    tile.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (move) {
        const next = beside(tile, ...move);
        tile.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      } else if (event.key === "Enter" || event.key === " ") {
        enlarge(grid, tile, beside);
      } else {
        return;
      }
      event.preventDefault();
    });
  }
}

function enlarge(grid, first, beside) {
  const figure = grid.closest("figure");
  const dialog = make("dialog", { className: "enlarged" });
  const picture = make("img", {}), text = make("p", { className: "said" });
  const smooth = make("input", { type: "checkbox" }), smoothing = make("label", {});
  const close = make("button", { type: "button", textContent: "Close" });
  const raw = figure?.querySelector(".provenance a")?.cloneNode(true);
  let tile = first;
  smoothing.append(smooth, " smooth");
  const bar = make("div", { className: "bar" });
  bar.append(text, smoothing, ...(raw ? [raw] : []), close);
  dialog.append(picture, bar);
  dialog.setAttribute("aria-label", "A tile, enlarged");
  const show = (next) => {
    tile = next;
    picture.src = tile.currentSrc || tile.src;
    picture.alt = text.textContent = tile.alt;
    const wide = tile.naturalWidth, high = tile.naturalHeight;
    const scale = Math.max(1, Math.floor(Math.min((innerWidth * 0.92) / wide, (innerHeight * 0.76) / high, 512 / wide + 2)));
    picture.width = wide * scale;
    picture.height = high * scale;
  };
  smooth.addEventListener("change", () => picture.classList.toggle("smooth", smooth.checked));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    show(beside(tile, ...move));
    event.preventDefault();
  });
  dialog.addEventListener("close", () => { dialog.remove(); tile.tabIndex = 0; tile.focus(); });
  document.body.append(dialog);
  show(first);
  dialog.showModal();
  close.focus();
}

// Slides, comparisons, distances: one slider, which style sheets follow as --at and .on -----------

function slider(box) {
  const [min, max, value] = box.dataset.slider.split(" ");
  const labels = box.dataset.labels && JSON.parse(box.dataset.labels), parts = [...box.children];
  const input = make("input", { type: "range", min, max, value }), output = make("output", {});
  const controls = make("div", { className: "controls" });
  input.setAttribute("aria-label", box.dataset.name);
  const follow = () => {
    box.style.setProperty("--at", input.value);
    if (labels) parts.forEach((part, index) => part.classList.toggle("on", index === Number(input.value)));
    output.textContent = labels?.[input.value] ?? "";
    if (labels) input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", follow);
  controls.append(input, output);
  box.before(controls);
  box.classList.add("live");
  follow();
}

// Sweeps: the run with the values that are chosen; its pictures are fetched when something is chosen for the first time --

function sweep(box) {
  const places = box.dataset.sweep.split(" "), points = [...box.querySelectorAll(":scope > .point")];
  const axes = [...box.querySelectorAll(":scope > .controls .axis")];
  const value = (axis) => {
    const input = axis.querySelector("[type=range], :checked"), output = axis.querySelector("output");
    if (output) {
      output.textContent = JSON.parse(axis.dataset.labels)[input.value];
      input.setAttribute("aria-valuetext", output.textContent);
    }
    return input.value;
  };
  const follow = () => {
    const at = String(axes.map(value));
    points.forEach((point, index) => point.classList.toggle("on", places[index] === at));
  };
  const fetchAll = () => box.querySelectorAll("img[loading]").forEach((image) => image.removeAttribute("loading"));
  box.addEventListener("input", follow);
  box.addEventListener("pointerover", fetchAll, { once: true });
  box.addEventListener("focusin", fetchAll, { once: true });
  follow();
}

// Tables of runs: sorted by a column, the run under the pointer marked in the plot above --

function sortable(table) {
  const [body] = table.tBodies, heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turn = head.ariaSort === "ascending" ? -1 : 1;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
      const compare = (a, b) => !a - !b || turn * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
      body.append(...[...body.rows].sort((a, b) => compare(key(a, column), key(b, column))));
    });
  });
  const lines = table.closest(".runs-of").querySelectorAll(".run");
  const mark = ({ target }) => {
    const run = target.closest("tr")?.dataset.run;
    for (const line of lines) line.classList.toggle("on", line.dataset.run === run);
  };
  body.addEventListener("pointerover", mark);
  body.addEventListener("pointerleave", () => lines.forEach((line) => line.classList.remove("on")));
}

// Plots: drawings whose text can be selected, in place of the pictures that came with the page, once these are within two
// screens; where a drawing cannot be fetched, the picture stays --

function plots() {
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      drawn(target).catch(() => {}).finally(() => delete target.dataset.plot);
    }
  }, { rootMargin: "200%" });
  for (const plot of document.querySelectorAll("[data-plot]")) if (canFetch(plot.dataset.plot)) near.observe(plot);
}

async function drawn(plot) {
  const answer = await fetch(plot.dataset.plot);
  if (!answer.ok) throw new Error(answer.statusText);
  const drawing = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  plot.replaceChildren(document.adoptNode(drawing));
  if (!drawing.dataset.readings) return;
  plot.dataset.readings = drawing.dataset.readings;
  readings(plot);
}

// The value nearest to the pointer, or chosen with the arrow keys, shown below the plot.

function readings(plot) {
  const svg = plot.querySelector("svg");
  if (!svg) return;
  const series = JSON.parse(plot.dataset.readings);
  const output = make("output", { className: "reading" });
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  dot.setAttribute("r", 5);
  dot.setAttribute("class", "dot");
  let line = 0, point = -1;
  const show = (l, p) => {
    [line, point] = [l, p];
    const [x, y, of, value] = series[l].points[p];
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    svg.append(dot);
    output.textContent = `${series.length > 1 ? `${series[l].name}, ` : ""}${of}: ${value}`;
  };
  const hide = () => { dot.remove(); output.textContent = ""; point = -1; };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = Infinity, found;
    series.forEach((each, l) => each.points.forEach(([x, y], p) => {
      const away = (x - at[0]) ** 2 + 0.3 * (y - at[1]) ** 2;
      if (away < best) [best, found] = [away, [l, p]];
    }));
    if (found) show(...found);
  });
  svg.addEventListener("pointerleave", () => plot !== document.activeElement && hide());
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key], across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") return hide();
    if (!along && !(across && series.length > 1)) return undefined;
    const l = across ? (line + across + series.length) % series.length : line, last = series[l].points.length - 1;
    show(l, Math.max(0, Math.min(last, point < 0 ? (along < 0 ? last : 0) : point + (along ?? 0))));
    event.preventDefault();
    return undefined;
  });
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", `${svg.getAttribute("aria-label")} Arrow keys read off values.`);
  plot.after(output);
}

function make(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
