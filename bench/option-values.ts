/** Reading the values of command line options. */

/** Whole numbers above 0, separated by commas. @throws Error with what is wrong */
export const numbers = (option: string, list: string): number[] =>
  list.split(',').map((text) => number(option, text))

/** A whole number above 0. @throws Error with what is wrong */
export const number = (option: string, text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option} ${text}: whole numbers above 0`)
  return Number(text)
}

/** Values of a list that are one of `known`. @throws Error with what is wrong */
export const oneOf = <T extends string>(option: string, list: string, known: readonly T[]): T[] =>
  list.split(',').map((text) => {
    const found = known.find((name) => name === text)
    if (found === undefined) throw new Error(`--${option} ${text}: one of ${known.join(', ')}`)
    return found
  })

/** name=value, several times. @throws Error with what is wrong */
export const pairs = (option: string, list: string[]): Record<string, string> =>
  Object.fromEntries(
    list.map((text) => {
      const [, name, value] = /^(\w+)=(.*)$/.exec(text) ?? []
      if (name === undefined || value === undefined) throw new Error(`--${option} ${text}: name=value`)
      return [name, value]
    }),
  )
