/** The users that the applications of the bench know: any name, with a password that follows from it. */
import type { SippUser } from '../test/support/sipp.js'

export const passwordOf = (user: string): string => `pw-${user}`

/** `count` phones, each of which calls `dials`. */
export const users = (count: number, dials = ''): SippUser[] =>
  Array.from({ length: count }, (_, index) => {
    const username = `user${index}`
    return { username, password: passwordOf(username), virtualNumber: username, dials }
  })
