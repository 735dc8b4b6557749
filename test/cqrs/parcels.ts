/** A domain that has changed its mind twice. */
import * as Schema from "effect/Schema"
import type { NewEvent } from "../../src/event-store/Envelope.ts"
import * as EventStream from "../../src/event-store/EventStream.ts"

export const Shipped = Schema.TaggedStruct("ParcelShipped", { grams: Schema.Int, carrier: Schema.String })
export const Lost = Schema.TaggedStruct("ParcelLost", {})

/** `PackageSent { kilos }` became `ParcelShipped { grams }`, and then got a carrier. */
export const Parcels = EventStream.make("parcel", {
  events: Schema.Union([Shipped, Lost]),
  formerNames: { PackageSent: "ParcelShipped" },
  upcasters: {
    ParcelShipped: [
      ({ kilos }) => ({ grams: Number(kilos) * 1000 }),
      (data) => ({ ...data, carrier: Number(data["grams"]) > 5000 ? "freight" : "post" })
    ]
  }
})

/** What programs wrote at one time or another, for a parcel of a weight. */
export const shapes: ReadonlyArray<(grams: number) => NewEvent> = [
  (grams) => ({ type: "PackageSent", schemaVersion: 1, data: { kilos: grams / 1000 } }),
  (grams) => ({ type: "PackageSent", schemaVersion: 2, data: { grams } }),
  (grams) => ({ type: "ParcelShipped", schemaVersion: 2, data: { grams } }),
  (grams) => ({
    type: "ParcelShipped",
    schemaVersion: 3,
    data: { grams, carrier: grams > 5000 ? "freight" : "post" }
  })
]
