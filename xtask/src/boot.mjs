// Starts the page. The loader and the module are fetched at the same time, both by the hash that the build wrote.
import init from "$SCRIPT";

const module = fetch("$WASM_URL", { integrity: "$WASM_INTEGRITY", credentials: "same-origin" });

init({ module_or_path: module }).catch((error) => {
  console.error(error);
  // What app/index.html says when the program cannot run.
  document.getElementById("boot")?.remove();
  document.getElementById("stopped")?.removeAttribute("hidden");
});
