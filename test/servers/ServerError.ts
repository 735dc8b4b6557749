import * as Schema from "effect/Schema"

/** A server of the tests could not be started, or did not do what it was told. */
export class ServerError extends Schema.TaggedError<ServerError>()("ServerError", {
  server: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.server} ${this.detail}.`
  }
}
