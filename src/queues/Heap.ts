/** A binary heap: the least element by `before` comes out first. */
export class Heap<A> {
  private readonly items: Array<A> = []
  private readonly before: (left: A, right: A) => boolean
  constructor(before: (left: A, right: A) => boolean) {
    this.before = before
  }

  peek(): A | undefined {
    return this.items[0]
  }

  push(item: A): void {
    const { before, items } = this
    let index = items.push(item) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(item, items[parent]!)) break
      items[index] = items[parent]!
      index = parent
    }
    items[index] = item
  }

  pop(): A | undefined {
    const { items } = this
    const first = items[0]
    const last = items.pop()
    if (items.length > 0) this.sink(last!)
    return first
  }

  /** Lets an item find its place from the top down. */
  private sink(item: A): void {
    const { before, items } = this
    let index = 0
    while (true) {
      let child = 2 * index + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, item)) break
      items[index] = items[child]!
      index = child
    }
    items[index] = item
  }
}
