/**
 * Whether anybody else listens for appends.
 *
 * A message costs the process that appends, and listens, too, some 20 µs of processor. The server knows how many listen to a
 * channel: if these are only those of the writer, there is nobody to tell. A node of a cluster knows only its own listeners, so
 * there everything is announced.
 *
 * Who has lost a connection still takes himself for one of those counted, until he listens again; then he tells the others
 * that they may have missed something. Until then they have the poll. So have those who listen to a server that has become
 * a replica since; who appends notices that by a failure, and does not trust the count from then on.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Client from "../persistence/RedisClient.ts"

/**
 * The part of a script that announces. Needs `prefix`. `hasAudience` takes the listeners of the writer's own and is to be
 * asked before anything is written, for it may fail.
 */
export const lua = `
local channel = prefix .. ':appended'
local function hasAudience(own)
  if own == '-1' then return true end
  local counted = redis.pcall('PUBSUB', 'NUMSUB', channel)
  return counted.err ~= nil or counted[2] > tonumber(own)
end
`

/** What one writer knows of the listeners of its own. */
export class RedisAudience {
  private readonly redis: Client.Redis["Service"]
  private own = 0
  private isCounted = false
  constructor(redis: Client.Redis["Service"]) {
    this.redis = redis
  }

  /** What `hasAudience` takes. */
  get ownListeners(): string {
    return this.isCounted ? String(this.own) : "-1"
  }

  /** To be run once the server knows of a listener of one's own, which lasts until the scope closes. */
  readonly joined: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => this.own++),
      () => Effect.sync(() => this.own--)
    )
  )

  /** To be run when that listener begins, and when its connection was made anew. */
  readonly trusted: Effect.Effect<void> = Effect.suspend(() =>
    Effect.map(isAlone(this.redis), (alone) => {
      this.isCounted = alone
    })
  )

  /** To be run when a command failed: the next one may go to another server. */
  readonly doubted: Effect.Effect<void> = Effect.sync(() => {
    this.isCounted = false
  })
}

/** Whether the server is no node of a cluster. One that does not say so may be. */
const isAlone = (redis: Client.Redis["Service"]): Effect.Effect<boolean> =>
  Effect.match(redis.send("CLUSTER", "INFO"), {
    onFailure: ({ cause }) => cause instanceof Error && cause.message.includes("cluster support disabled"),
    onSuccess: () => false
  })
