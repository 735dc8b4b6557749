/** A member of the subscriber's group. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Subscriber from "../../src/events/Subscriber.ts"
import { stores } from "../durable/sigkill/place.ts"
import { endWithParent } from "../servers/endWithParent.ts"
import { launch } from "./launch.ts"
import { reading, type Settings } from "./reading.ts"

endWithParent()
const { place, sideFile } = JSON.parse(process.argv[2]!) as Settings
launch(Effect.void, Layer.provide(Subscriber.layer(reading(sideFile)), await stores(place)))
