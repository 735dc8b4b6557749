import type * as Agent from "../../core/Agent.ts"
import type { SlotError, SlotServices } from "../pattern/Slot.ts"

type Errors<Name extends string> = Name extends string ? SlotError<Name> : never
type Services<Name extends string> = Name extends string ? SlotServices<Name> : never

/** An agent whose types depend on who takes these slots, and that may fail with `E` besides. */
export type Whoever<Slot extends string, E = never> = Agent.Agent<any, unknown, E | Errors<Slot>, Services<Slot>>
