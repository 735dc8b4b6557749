import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { mkdtempSync } from "node:fs"
import { Agent, EphemeralEngine, Orchestration, Task } from "tutti"
import * as Embedded from "tutti/embedded"
const steps=10
const Work = Task.make("Work", {
  input: { step: Schema.Int, value: Schema.Int },
  output: { step: Schema.Int, ok: Schema.Boolean, value: Schema.Int, note: Schema.String }
})
const worker = Agent.make("worker", { task: Work, run: ({ step, value }) => Effect.succeed({ step, ok: true, value: value + 1, note: "step-result" }) })
const TenSteps = Orchestration.make("TenSteps", {
  input: { value: Schema.Int }, output: { value: Schema.Int },
  run: Effect.fnUntraced(function* (input) {
    let { value } = input
    for (let step = 0; step < steps; step++) value = (yield* Effect.orDie(worker.run({ step, value }))).value
    return { value }
  })
})
const once = Effect.flatMap(TenSteps.run({ value: 1 }), ({ value }) => value === 11 ? Effect.void : Effect.die(new Error("bad")))
const mode=process.argv[2], N=Number(process.argv[3]??1000), R=Number(process.argv[4]??7)
const make=()=>ManagedRuntime.make(TenSteps.layer.pipe(Layer.provideMerge((mode==="memory"?EphemeralEngine.layer():Embedded.layer({filename:mkdtempSync("/tmp/prof/db-")+"/t.db"})) as any))) as any
const out:number[]=[]
for(let r=0;r<R;r++){const rt=make();await rt.runPromise(Effect.forEach(Array(20),()=>once,{concurrency:10,discard:true}));(globalThis as any).gc?.();const c0=process.cpuUsage();const t=performance.now();await rt.runPromise(Effect.forEach(Array(N),()=>once,{concurrency:100,discard:true}));const ms=performance.now()-t;const c=process.cpuUsage(c0);out.push(Math.round(N*steps*1000/ms));if(r===R-1)console.log("cpu us/step",((c.user+c.system)/(N*steps)).toFixed(1), "sys",(c.system/(N*steps)).toFixed(1));await rt.dispose()}
console.log(mode,out.join(" "), "median",out.slice(2).sort((a,b)=>a-b)[(R-2)>>1])
