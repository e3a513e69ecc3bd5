// Node's half of the phases: CDK counts its own time, and this adds up what it counted and writes it down at the end.
const fs = require("node:fs");

const all = {};
let present = {};

function keep(counters) {
  for (const [name, { count, total }] of Object.entries(counters)) {
    all[name] ??= { count: 0, total: 0 };
    all[name].count += count;
    all[name].total += total;
  }
}

// CDK looks for this object before it makes one, and starts its counters anew after each synthesis.
globalThis[Symbol.for("@aws-cdk/core:performanceProfilingState")] = {
  builtinsHooked: false,
  nesting: 0,
  telemetryCounters: {},
  get allCounters() {
    return present;
  },
  set allCounters(fresh) {
    keep(present);
    present = fresh;
  },
};

process.on("exit", () => {
  keep(present);
  // jsii's kernel runs below a process of its own, which counts nothing.
  if (Object.keys(all).length) fs.writeFileSync(process.env.BENCH_NODE_COUNTERS, JSON.stringify(all));
});
