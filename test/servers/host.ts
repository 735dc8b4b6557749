/**
 * The servers that all test files of one vitest run share: started when the first of them asks, stopped at the end.
 *
 * Test files run in processes of their own, so they ask over HTTP. What was started also ends if this process is killed.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Servers from "./Servers.ts"

const isKind = (name: string): name is Servers.Kind => Object.hasOwn(Servers.start, name)

/** Listens, and answers `GET /postgres` with a URL. */
export const serve = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const shared = new Map<string, Promise<Result.Result<string, { readonly server: string; readonly detail: string }>>>()
  const answer = async (name: string, response: ServerResponse) => {
    if (!isKind(name)) return void response.writeHead(404).end()
    const known = shared.get(name) ?? Effect.runPromise(Effect.result(Scope.provide(Servers.start[name], scope)))
    shared.set(name, known)
    const result = await known
    if (Result.isSuccess(result)) return void response.end(result.success)
    const { detail, server } = result.failure
    response.writeHead(503).end(JSON.stringify({ server, detail }))
  }
  const http = createServer((request, response) => void answer((request.url ?? "").slice(1), response))
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void http.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => void http.close())
  )
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
})

/** Vitest's `globalSetup`. */
export default async (): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  process.env[Servers.hostVariable] = await Effect.runPromise(Scope.provide(serve, scope))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
