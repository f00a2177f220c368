// Between workerd and the program: hands each request over, and starts the program afresh after a trap, since a
// WebAssembly instance that trapped must not be used again.
import { WorkerEntrypoint } from "cloudflare:workers";
import * as program from "./index.js";

const state = program.__worker_init_state();

function note(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    console.error("The program trapped and is started afresh for the next request.", error);
    state.criticalError = true;
  }
}

addEventListener("error", (event) => note(event.error));

export default class extends WorkerEntrypoint {
  async fetch(request) {
    if (state.criticalError) {
      program.__wbg_reset_state();
      state.criticalError = false;
      state.instanceId += 1;
    }
    try {
      return await program.fetch.call(this, request, this.env, this.ctx);
    } catch (error) {
      note(error);
      throw error;
    }
  }
}
