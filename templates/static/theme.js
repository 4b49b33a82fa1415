// Before anything is shown: the theme chosen last time, if any; on phones what is far down can wait.
if (!location.hash && matchMedia("(pointer: coarse)").matches) document.documentElement.classList.add("first-view");
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* the system's preference holds */ }
