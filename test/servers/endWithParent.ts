import type { Socket } from "node:net"

/** For a program that a test starts with a pipe as its input: it ends when the test's process does, however that went. */
export const endWithParent = (): void => {
  const input = process.stdin as unknown as Socket
  input.once("end", () => process.exit(1))
  input.resume()
  input.unref()
}
