// Before anything is shown: the theme that the reader chose last time, if any; and on phones what is far down can wait.
if (!location.hash && matchMedia("(pointer: coarse)").matches) document.documentElement.classList.add("first-view");
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* storage is closed to this page; the system's preference holds */ }
