// Before anything is shown: on phones the top stands alone until reader.js brings the rest, but where a page is opened at a place
// or come back to; the theme chosen last time, if any.
if (!location.hash && matchMedia("(pointer: coarse) and (max-width: 699px)").matches
  && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
  const { classList } = document.documentElement;
  classList.add("first-view", "alone");
  setTimeout(() => classList.contains("seen") || classList.remove("alone"), 3000); // reader.js did not come
}
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* the system's preference holds */ }
