// Before anything is shown: on phones only the top is shown until reader.js shows the rest, except where a page is opened at a
// section or returned to; the theme chosen last time, if any.
if (!location.hash && matchMedia("(pointer: coarse) and (max-width: 699px)").matches
  && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
  const { classList } = document.documentElement;
  classList.add("first-view", "alone");
  setTimeout(() => classList.contains("seen") || classList.remove("alone"), 3000); // reader.js was not loaded
}
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* the system's preference holds */ }
