// Chooses light or dark before the first paint, so that the page does not flash. app/src/theme.rs takes over from here
// and reads the same name from the store.
(() => {
  let wanted = new URLSearchParams(location.search).get("theme");
  if (!["light", "dark", "system"].includes(wanted)) {
    try { wanted = localStorage.getItem("concert-theme"); } catch { wanted = null; }
  }
  const dark = wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
