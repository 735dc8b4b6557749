import * as Schema from "effect/Schema"
import * as Signal from "../../durable/Signal.ts"

/** A person's word on whether the report may be published. */
export const Approval = Signal.make("approval", { approved: Schema.Boolean })
