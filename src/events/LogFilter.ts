/** What the log itself can filter, of what somebody wants to hear. Keys left out filter nothing. */
export const logFilter = ({
  streamPrefix,
  types
}: {
  readonly types?: ReadonlyArray<string>
  readonly streamPrefix?: string
}) => ({
  ...(types !== undefined && { types }),
  ...(streamPrefix !== undefined && { streamPrefix })
})
