// A theme switch, the current section marked, cards for references. Without scripts there are links, and the system's theme.

const root = document.documentElement;
const { later } = document.currentScript.dataset; // a selector, from layouts/page.html
const idle = window.requestIdleCallback ?? setTimeout;

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();

function begin() {
  themeSwitch();
  new PerformanceObserver((_, observer) => { // the rest waits until the page has been painted
    observer.disconnect();
    root.classList.add("seen");
    document.dispatchEvent(new Event("seen"));
    for (const task of [layOut, markSections, stops, copying, cards, () => root.classList.add("ready")]) idle(task);
  }).observe({ type: "paint", buffered: true });
}

// On phones what follows the top is laid out once that has been painted and the fonts are loaded, a piece a frame, so that the
// page stays responsive; at the first input all of it is shown, and what comes into view is laid out first.
function layOut() {
  if (!root.classList.contains("first-view")) return root.classList.add("complete");
  const pieces = [...document.querySelectorAll(later)];
  const end = new AbortController();
  const together = () => { end.abort(); root.classList.remove("alone"); };
  const next = () => {
    if (!pieces.length) return root.classList.add("complete");
    pieces.shift().classList.add("laid");
    return setTimeout(idle, 20, next);
  };
  const often = [...document.fonts].filter(({ unicodeRange }) => /U\+(20-7E|0-10FFFF)/i.test(unicodeRange));
  const load = (face) => new Promise((done) => { idle(() => done(face.load())); });
  Promise.allSettled(often.map(load)).then(() => idle(next));
  for (const input of ["scroll", "pointermove", "touchstart", "keydown"]) {
    addEventListener(input, together, { passive: true, signal: end.signal });
  }
  addEventListener("click", (event) => {
    if (event.target.closest?.("a[href^='#']")) root.classList.remove("first-view", "alone");
  }, true);
}

function themeSwitch() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const button = Object.assign(document.createElement("button"), { type: "button", className: "theme" });
  const name = () => {
    button.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    const isPreference = theme === (dark.matches ? "dark" : "light");
    if (isPreference) delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (isPreference) localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch { /* not remembered */ }
    name();
  });
  dark.addEventListener("change", name);
  name();
  document.querySelector("header.site")?.append(button);
}

// Boxes that can scroll are stops of the Tab key where their content is wider than they are, and only there.
function stops() {
  const fit = (box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const watch = new ResizeObserver((seen) => seen.forEach(({ target }) => fit(target)));
  for (const box of document.querySelectorAll(".equation, .scroll:not([data-readings], [data-plot]), .table, pre")) watch.observe(box);
}

function copying() {
  if (!navigator.clipboard) return; // only secure pages may write to it
  for (const pre of document.querySelectorAll("pre")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
    const text = pre.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    pre.prepend(button);
  }
}

function markSections() {
  const links = new Map([...document.querySelectorAll(".beside a[href^='#']")].map((a) => [a.hash.slice(1), a]));
  const headings = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
  if (!headings.length) return;
  let current, scheduled = false;
  const mark = () => {
    scheduled = false;
    const atEnd = innerHeight + scrollY >= root.scrollHeight - 2;
    const passed = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight * (atEnd ? 1 : 0.3));
    const now = links.get((passed.at(-1) ?? headings[0]).id);
    if (now === current) return;
    current?.removeAttribute("aria-current");
    now.setAttribute("aria-current", "location");
    current = now;
  };
  addEventListener("scroll", () => {
    if (!scheduled) requestAnimationFrame(mark);
    scheduled = true;
  }, { passive: true });
  mark();
}

function cards() {
  let card, timer;
  const hide = () => { clearTimeout(timer); card?.remove(); card = undefined; };
  const show = (link) => {
    hide();
    const content = cardOf(document.getElementById(decodeURIComponent(link.hash.slice(1))));
    if (!content) return;
    card = Object.assign(document.createElement("div"), { className: "card" });
    card.setAttribute("role", "presentation");
    card.setAttribute("aria-hidden", "true");
    card.append(content);
    document.body.append(card);
    const at = link.getClientRects()[0], box = card.getBoundingClientRect(), page = root.clientWidth;
    const above = at.bottom + box.height + 12 > innerHeight && at.top > box.height + 12;
    const left = Math.max(8, Math.min(at.left, page - box.width - 8));
    const top = above ? at.top - box.height - 8 : at.bottom + 8;
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${top + scrollY}px`;
    card.addEventListener("pointerleave", later);
    card.addEventListener("pointerenter", () => clearTimeout(timer));
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(hide, 180); };
  for (const link of document.querySelectorAll("a.ref[href^='#'], a.cite[href^='#'], a.footnote-ref")) {
    link.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "mouse") return;
      clearTimeout(timer);
      timer = setTimeout(() => show(link), 120);
    });
    link.addEventListener("pointerleave", later);
    link.addEventListener("focus", () => link.matches(":focus-visible") && show(link));
    link.addEventListener("blur", later);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

function cardOf(target) {
  if (!target) return undefined;
  const part = document.createDocumentFragment();
  if (target.matches("figure")) {
    const picture = [...target.querySelectorAll("img")].find((image) => getComputedStyle(image).display !== "none");
    if (picture && !target.querySelector(".grid")) {
      const frame = Object.assign(document.createElement("div"), { className: "picture" });
      frame.append(picture.cloneNode());
      part.append(frame);
    }
    const caption = target.querySelector("figcaption > p");
    if (caption) part.append(caption.cloneNode(true));
  } else if (target.matches("li")) {
    for (const node of target.childNodes) part.append(node.cloneNode(true));
  } else {
    return undefined; // a heading: the link says enough
  }
  for (const element of part.querySelectorAll("[id]")) element.removeAttribute("id");
  return part;
}
