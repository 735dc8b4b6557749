/** Between what a driver of work queues is told and what the scripts in Redis are. */
import type * as Schema from "effect/Schema"
import type {
  Claim,
  DeadItem,
  Death,
  Delivery,
  ItemState,
  NewItem,
  OfferOutcome,
  Outcome,
  SettledClaim,
  Settlement,
  Stats
} from "./WorkQueueDriver.ts"

/** Nothing is no key, and the empty key is one. */
const keyArgument = (key: string | undefined): string => (key === undefined ? "" : `=${key}`)
const keyFrom = (argument: string): string | undefined => (argument === "" ? undefined : argument.slice(1))

export const offerArguments = ({ availableAt, body, id, idempotency, key, priority }: NewItem) => [
  id,
  JSON.stringify(body),
  keyArgument(key),
  priority,
  availableAt,
  keyArgument(idempotency?.key),
  idempotency?.until ?? 0
]

export const outcomeOf = (answer: string, { id }: NewItem): OfferOutcome => {
  if (answer === "F") return { _tag: "Full" }
  return answer === "O" ? { _tag: "Offered", id } : { _tag: "Duplicate", id: answer.slice(1) }
}

export const claimArguments = ({ id, token }: Claim) => [id, token]

export const held = (answers: ReadonlyArray<number>): ReadonlyArray<boolean> => answers.map((answer) => answer === 1)

const valueOf = (settlement: Settlement, now: number): string | number => {
  switch (settlement._tag) {
    case "Retry":
      return settlement.availableAt
    case "HandBack":
      return now
    default:
      return JSON.stringify(settlement)
  }
}

/** How many answers tell of one delivery. */
const width = 8

const deliveriesOf = (fields: ReadonlyArray<string>): ReadonlyArray<Delivery> =>
  Array.from({ length: fields.length / width }, (_, index): Delivery => {
    const [id, token, body, key, priority, offered, attempts, failures] = fields.slice(
      index * width,
      (index + 1) * width
    )
    return {
      id: id!,
      token: Number(token),
      body: JSON.parse(body!) as Schema.Json,
      key: keyFrom(key!),
      priority: Number(priority),
      offeredAt: Number(offered),
      attempts: Number(attempts),
      failures: Number(failures)
    }
  })

export const stateOf = (
  [state, at, attempts, outcome]: ReadonlyArray<string | null>,
  now: number
): ItemState | undefined => {
  if (state == null || (state === "Done" && Number(at) <= now)) return undefined
  if (state !== "Done" && state !== "Dead") return { _tag: "Unfinished" }
  return { _tag: "Settled", attempts: Number(attempts), outcome: JSON.parse(outcome!) as Outcome }
}

export const settleArguments = (claim: SettledClaim, now: number) => [
  ...claimArguments(claim),
  claim.settlement._tag,
  valueOf(claim.settlement, now)
]

export const claimedOf = ([wakeAt, ...fields]: ReadonlyArray<string>) => ({
  deliveries: deliveriesOf(fields),
  wakeAt: wakeAt === "" ? undefined : Number(wakeAt)
})

export const deadItemOf = ([id, body, key, attempts, offered, died, death]: ReadonlyArray<string>): DeadItem => ({
  id: id!,
  body: JSON.parse(body!) as Schema.Json,
  key: keyFrom(key!),
  attempts: Number(attempts),
  offeredAt: Number(offered),
  diedAt: Number(died),
  death: JSON.parse(death!) as Death
})

export const statsOf = ([delayed, inFlight, dead, unfinished]: readonly [number, number, number, number]): Stats => ({
  queued: unfinished - delayed - inFlight,
  delayed,
  inFlight,
  dead
})
