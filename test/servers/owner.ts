/** Starts servers, says where, and waits to be killed. */
import * as Effect from "effect/Effect"
import * as Servers from "./Servers.ts"

const program = Effect.gen(function* () {
  const servers = yield* Effect.all([Servers.postgres(), Servers.redis()], { concurrency: 2 })
  const places = yield* Effect.forEach(servers, ({ directory, pid }) => Effect.map(pid, (pid) => ({ pid, directory })))
  process.stdout.write(JSON.stringify(places))
  // Open as long as the test is there: a process that waits for nothing would end.
  process.stdin.resume()
  return yield* Effect.never
})

void Effect.runPromise(Effect.scoped(program))
